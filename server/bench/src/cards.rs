//! The cards of a list page, read from its HTML, and the same page by Maud.

use crate::Result;
use maud::{Markup, PreEscaped, html};
use serde::{Deserialize, Serialize};

const LIST: &str = "<ul role=\"list\" class=\"goods-grid\">";
const CARD: &str = "<article ";

/// A page of goods: what stands around the list, and the cards.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page {
    head: String,
    cards: Vec<Card>,
    tail: String,
}

#[derive(Debug, Serialize, Deserialize)]
struct Card {
    name: String,
    state: String,
    state_text: String,
    picture: String,
    link: String,
    sku: String,
    yuan: String,
    fen: String,
    struck: Option<String>,
    unit: Option<String>,
    back: String,
}

/// What stands between two marks, without comments.
fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

fn plain(text: &str) -> String {
    text.replace("<!>", "").trim().to_owned()
}

impl Page {
    /// Reads a page's HTML.
    ///
    /// # Errors
    /// If it is not as expected.
    pub fn read(html: &str) -> Result<Self> {
        let (head, rest) = html.split_once(LIST).ok_or("the page has no list of goods")?;
        let (list, tail) = rest.split_once("</ul>").ok_or("the list of goods does not end")?;
        let cards: Option<Vec<Card>> = list.split(CARD).skip(1).map(card).collect();
        let cards = cards.ok_or("a card of the list cannot be read")?;
        Ok(Self { head: head.to_owned(), cards, tail: tail.to_owned() })
    }

    /// How many cards it has.
    pub fn len(&self) -> usize {
        self.cards.len()
    }

    /// The page by Maud: the cards by a template, what stands around as it is.
    pub fn render(&self) -> Markup {
        html! {
            (PreEscaped(&self.head))
            ul role="list" class="goods-grid" { @for card in &self.cards { li { (card.render()) } } }
            (PreEscaped(&self.tail))
        }
    }
}

fn card(html: &str) -> Option<Card> {
    let text = |before, after| between(html, before, after).map(plain);
    Some(Card {
        name: text("data-product=\"", "\"")?,
        state: text("data-state=\"", "\"")?,
        state_text: text("state-text\">", "<")?,
        picture: text("<img src=\"", "\"")?,
        link: text("<a href=\"", "\"")?,
        sku: text("name=\"sku\" value=\"", "\"").or_else(|| text("data-live-sku=\"", "\""))?,
        yuan: text("money-sign\">¥</span>", "<")?,
        fen: text("money-fen\">.", "</span>").unwrap_or_default(),
        struck: text("<s class=\"price-struck\">", "</s>")
            .and_then(|struck| Some(struck.split_once('¥')?.1.to_owned())),
        unit: text("price-unit\">", "</span>"),
        back: text("name=\"back\" value=\"", "\"").unwrap_or_default(),
    })
}

impl Card {
    fn render(&self) -> Markup {
        html! {
            article data-product=(self.name) data-state=(self.state) class="goods" {
                div class="goods-picture" {
                    img src=(self.picture) alt="" width="96" height="96" loading="eager" decoding="async" class="picture";
                }
                h3 class="goods-name" { a href=(self.link) { (self.name) } }
                span data-live-sku=(self.sku) data-state=(self.state) class="state" {
                    span class="state-shape" aria-hidden="true" {}
                    span class="state-text" { (self.state_text) }
                }
                p class="price price-m" {
                    span class="money money-m price" {
                        " " span class="money-sign" { "¥" } (self.yuan) span class="money-fen" { "." (self.fen) }
                    }
                    @if let Some(struck) = &self.struck {
                        s class="price-struck" { span class="visually-hidden" { "原价" } "¥" (struck) }
                    }
                    @if let Some(unit) = &self.unit { span class="price-unit" { (unit) } }
                }
                form method="post" action="/api/basket/add" data-add data-name=(self.name) class="goods-add" {
                    input type="hidden" name="sku" value=(self.sku);
                    input type="hidden" name="packs" value="1";
                    input type="hidden" name="back" value=(self.back);
                    button type="submit" data-live-add=(self.sku) aria-label={ "把 " (self.name) " 加入购物车" } class="add" {
                        svg width="20" height="20" viewBox="0 0 24 24" fill="none" stroke="currentColor"
                            stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"
                            focusable="false" class="icon" { path d="M12 5v14M5 12h14" {} }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rendered_page_reads_as_the_same_page() {
        let page = Page {
            head: "<main>".into(),
            cards: vec![Card {
                name: "纯牛奶 1L".into(),
                state: "in_stock".into(),
                state_text: "有货".into(),
                picture: "/pic/egg.svg".into(),
                link: "/p/S1".into(),
                sku: "7".into(),
                yuan: "12".into(),
                fen: "90".into(),
                struck: Some("15.00".into()),
                unit: None,
                back: "/c/d00".into(),
            }],
            tail: "</main>".into(),
        };
        let html = page.render().into_string();
        assert_eq!(Page::read(&html).expect("a page").render().into_string(), html);
    }
}
