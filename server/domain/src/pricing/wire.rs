//! A basket's pricing input as plain lines of text, for the browser.
//!
//! JSON would do, but its reader for these types weighs more than the pricing
//! itself, and every page's download would pay for it. One record a line, its
//! fields separated by tabs, lists by commas; empty is unset:
//!
//! ```text
//! I  store now coupon is_member fee free_above
//! U  offer uses
//! L  sku categories qty shelf_price member_price campaign_kind campaign price
//! O  id code rule a b scope ids store starts ends members priority excludes per_member total used budget spent
//! C  id expires, then as O
//! ```

#![expect(clippy::option_option, reason = "the outer one: could it be read; the inner one: is it set")]

use super::{CampaignKind, CampaignPrice, CouponIn, DeliveryTerms, Input, LineIn, MemberStatus, Offer, Rule, Scope};
use crate::ids::{CategoryId, CouponId, OfferId, SkuId, StoreId};
use crate::{Fen, Millis, Packs};

/// Writes an input.
pub fn encode(input: &Input) -> String {
    let mut out = Writer::default();
    let delivery = input.delivery.as_ref();
    out.record("I")
        .text(input.store.as_str())
        .number(Some(input.now.0))
        .text(input.coupon.as_ref().map_or("", CouponId::as_str))
        .number(Some(i64::from(input.member.is_member)))
        .number(delivery.map(|terms| terms.fee.0))
        .number(delivery.and_then(|terms| terms.free_above).map(|above| above.0));
    for (offer, uses) in &input.member.uses {
        out.record("U").text(offer.as_str()).number(Some((*uses).into()));
    }
    for line in &input.lines {
        let campaign = line.campaign.as_ref();
        out.record("L")
            .text(line.sku.as_str())
            .list(line.categories.iter().map(CategoryId::as_str))
            .number(Some(line.qty.0))
            .number(Some(line.shelf_price.0))
            .number(line.member_price.map(|price| price.0))
            .text(campaign.map_or("", |campaign| campaign.kind.step().as_str()))
            .text(campaign.map_or("", |campaign| campaign.id.as_str()))
            .number(campaign.map(|campaign| campaign.price.0));
    }
    for offer in &input.offers {
        out.record("O").offer(offer);
    }
    for coupon in &input.coupons {
        out.record("C").text(coupon.id.as_str()).number(coupon.expires.map(|at| at.0)).offer(&coupon.offer);
    }
    out.0
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub fn decode(text: &str) -> Option<Input> {
    let mut input = Input::default();
    for record in text.lines() {
        let mut fields = Reader(record);
        match fields.text()? {
            "I" => {
                input.store = StoreId::trusted(fields.text()?);
                input.now = Millis(fields.required()?);
                input.coupon = fields.set()?.map(CouponId::trusted);
                let is_member = fields.required()? == 1;
                input.member = MemberStatus { is_member, ..input.member };
                let (fee, free_above) = (fields.number()?, fields.number()?);
                input.delivery = fee.map(|fee| DeliveryTerms { fee: Fen(fee), free_above: free_above.map(Fen) });
            }
            "U" => {
                let offer = OfferId::trusted(fields.text()?);
                input.member.uses.insert(offer, fields.required()?.try_into().ok()?);
            }
            "L" => input.lines.push(fields.line()?),
            "O" => input.offers.push(fields.offer()?),
            "C" => {
                let id = CouponId::trusted(fields.text()?);
                let expires = fields.number()?.map(Millis);
                input.coupons.push(CouponIn { id, expires, offer: fields.offer()? });
            }
            _ => return None,
        }
    }
    Some(input)
}

#[derive(Default)]
struct Writer(String);

impl Writer {
    fn record(&mut self, kind: &str) -> &mut Self {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(kind);
        self
    }

    /// No field has a separator in it: codes and ids are plain; what is not becomes so.
    fn text(&mut self, text: &str) -> &mut Self {
        self.0.push('\t');
        self.0.extend(text.chars().filter(|c| !c.is_control() && *c != ','));
        self
    }

    fn number(&mut self, number: Option<i64>) -> &mut Self {
        self.text(&number.map(|n| n.to_string()).unwrap_or_default())
    }

    fn list<'a>(&mut self, items: impl Iterator<Item = &'a str>) -> &mut Self {
        self.0.push('\t');
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.0.push(',');
            }
            self.0.extend(item.chars().filter(|c| !c.is_control() && *c != ','));
        }
        self
    }

    fn offer(&mut self, offer: &Offer) -> &mut Self {
        let (rule, a, b) = match offer.rule {
            Rule::TimedPrice { price } => ("price", price.0, 0),
            Rule::TimedPercent { off_milli } => ("percent", off_milli, 0),
            Rule::SpendSave { threshold, off } => ("save", threshold.0, off.0),
            Rule::Coupon { threshold, off } => ("coupon", threshold.0, off.0),
        };
        self.text(offer.id.as_str()).text(&offer.code).text(rule).number(Some(a)).number(Some(b));
        match &offer.scope {
            Scope::All => self.text("all").text(""),
            Scope::Categories(ids) => self.text("category").list(ids.iter().map(CategoryId::as_str)),
            Scope::Skus(ids) => self.text("sku").list(ids.iter().map(SkuId::as_str)),
        };
        self.text(offer.store.as_ref().map_or("", StoreId::as_str))
            .number(offer.starts.map(|at| at.0))
            .number(offer.ends.map(|at| at.0))
            .number(Some(i64::from(offer.members_only)))
            .number(Some(offer.priority.into()))
            .list(offer.excludes.iter().map(String::as_str))
            .number(offer.per_member.map(Into::into))
            .number(offer.total.map(Into::into))
            .number(Some(offer.used_total.into()))
            .number(offer.budget.map(|amount| amount.0))
            .number(Some(offer.spent.0))
    }
}

/// The fields of one record that are left to read.
struct Reader<'a>(&'a str);

impl<'a> Reader<'a> {
    /// The next field; a record that ends early reads as empty ones.
    #[expect(clippy::unnecessary_wraps, reason = "so that every field is read alike, by `?`")]
    fn text(&mut self) -> Option<&'a str> {
        let (field, rest) = self.0.split_once('\t').unwrap_or((self.0, ""));
        self.0 = rest;
        Some(field)
    }

    fn set(&mut self) -> Option<Option<&'a str>> {
        Some(Some(self.text()?).filter(|text| !text.is_empty()))
    }

    fn number(&mut self) -> Option<Option<i64>> {
        match self.set()? {
            None => Some(None),
            Some(text) => text.parse().ok().map(Some),
        }
    }

    fn required(&mut self) -> Option<i64> {
        self.number()?
    }

    fn count(&mut self) -> Option<Option<u32>> {
        match self.number()? {
            None => Some(None),
            Some(number) => number.try_into().ok().map(Some),
        }
    }

    fn list(&mut self) -> Option<Vec<&'a str>> {
        Some(self.text()?.split(',').filter(|item| !item.is_empty()).collect())
    }

    fn line(&mut self) -> Option<LineIn> {
        Some(LineIn {
            sku: SkuId::trusted(self.text()?),
            categories: self.list()?.into_iter().map(CategoryId::trusted).collect(),
            qty: Packs(self.required()?),
            shelf_price: Fen(self.required()?),
            member_price: self.number()?.map(Fen),
            campaign: self.campaign()?,
        })
    }

    fn campaign(&mut self) -> Option<Option<CampaignPrice>> {
        let (kind, id, price) = (self.text()?, self.text()?, self.number()?);
        let kind = match kind {
            "" => return Some(None),
            "flash_sale" => CampaignKind::FlashSale,
            "group_buy" => CampaignKind::GroupBuy,
            "bargain" => CampaignKind::Bargain,
            _ => return None,
        };
        Some(Some(CampaignPrice { id: OfferId::trusted(id), kind, price: Fen(price?) }))
    }

    fn rule(&mut self) -> Option<Rule> {
        let (rule, a, b) = (self.text()?, self.required()?, Fen(self.required()?));
        Some(match rule {
            "price" => Rule::TimedPrice { price: Fen(a) },
            "percent" => Rule::TimedPercent { off_milli: a },
            "save" => Rule::SpendSave { threshold: Fen(a), off: b },
            "coupon" => Rule::Coupon { threshold: Fen(a), off: b },
            _ => return None,
        })
    }

    fn scope(&mut self) -> Option<Scope> {
        let (of, ids) = (self.text()?, self.list()?);
        Some(match of {
            "all" => Scope::All,
            "category" => Scope::Categories(ids.into_iter().map(CategoryId::trusted).collect()),
            "sku" => Scope::Skus(ids.into_iter().map(SkuId::trusted).collect()),
            _ => return None,
        })
    }

    fn offer(&mut self) -> Option<Offer> {
        Some(Offer {
            id: OfferId::trusted(self.text()?),
            code: self.text()?.to_owned(),
            rule: self.rule()?,
            scope: self.scope()?,
            store: self.set()?.map(StoreId::trusted),
            starts: self.number()?.map(Millis),
            ends: self.number()?.map(Millis),
            members_only: self.required()? == 1,
            priority: self.required()?.try_into().ok()?,
            excludes: self.list()?.into_iter().map(str::to_owned).collect(),
            per_member: self.count()?,
            total: self.count()?,
            used_total: self.count()??,
            budget: self.number()?.map(Fen),
            spent: Fen(self.required()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(id: &str, rule: Rule, scope: Scope) -> Offer {
        Offer {
            id: OfferId::trusted(id),
            code: format!("CODE-{id}"),
            rule,
            scope,
            store: Some(StoreId::trusted("s1")),
            starts: None,
            ends: Some(Millis(99)),
            members_only: true,
            priority: -3,
            excludes: vec!["coupon".to_owned(), "SAVE88".to_owned()],
            per_member: Some(2),
            total: None,
            used_total: 7,
            budget: Some(Fen(100_000)),
            spent: Fen(5),
        }
    }

    fn input() -> Input {
        let skus = Scope::Skus(vec![SkuId::trusted("a"), SkuId::trusted("b")]);
        let categories = Scope::Categories(vec![CategoryId::trusted("dairy")]);
        let campaign = CampaignPrice { id: OfferId::trusted("f"), kind: CampaignKind::FlashSale, price: Fen(90) };
        let line = LineIn {
            sku: SkuId::trusted("a"),
            categories: vec![CategoryId::trusted("milk"), CategoryId::trusted("dairy")],
            qty: Packs(3),
            shelf_price: Fen(1280),
            member_price: Some(Fen(1180)),
            campaign: Some(campaign),
        };
        Input {
            lines: vec![
                line,
                LineIn { sku: SkuId::trusted("b"), qty: Packs(1), shelf_price: Fen(5), ..LineIn::default() },
            ],
            offers: vec![
                offer("p", Rule::TimedPrice { price: Fen(990) }, skus),
                offer("q", Rule::TimedPercent { off_milli: 15_000 }, Scope::All),
                offer("r", Rule::SpendSave { threshold: Fen(8800), off: Fen(1000) }, categories),
            ],
            coupons: vec![CouponIn {
                id: CouponId::trusted("c"),
                offer: offer("s", Rule::Coupon { threshold: Fen(3900), off: Fen(600) }, Scope::All),
                expires: Some(Millis(12)),
            }],
            coupon: Some(CouponId::trusted("c")),
            member: MemberStatus { is_member: true, uses: [(OfferId::trusted("q"), 2)].into() },
            store: StoreId::trusted("s1"),
            now: Millis(1_700_000_000_000),
            delivery: Some(DeliveryTerms { fee: Fen(600), free_above: None }),
        }
    }

    #[test]
    fn an_input_comes_back_as_it_was() {
        for input in [input(), Input::default()] {
            assert_eq!(decode(&encode(&input)), Some(input));
        }
    }

    #[test]
    fn what_is_no_input_is_refused() {
        for bad in ["X\ta", "L\ta\t\tmany", "O\tid\tcode\tgift\t1\t2", "I\ts\tnow"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_separator_in_a_code_breaks_nothing() {
        let mut odd = input();
        odd.offers[0].code = "A\tB\nC,D".to_owned();
        let read = decode(&encode(&odd)).expect("it is read");
        assert_eq!(read.offers[0].code, "ABCD");
        assert_eq!(read.offers.len(), odd.offers.len());
    }
}
