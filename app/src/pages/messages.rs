//! `/me/messages`: what the shop did by itself and has to say so.

use super::load::loaded;
use super::words;
use crate::api::messages::messages;
use domain::view::MessageView;
use leptos::prelude::*;
use ui::components::{Empty, Icon, PageHead};
use ui::text::lang;
use ui::tr;

/// The member's messages.
#[component]
pub fn MessagesPage() -> impl IntoView {
    loaded(async move { Ok(page(messages().await?)) })
}

fn page(messages: Vec<MessageView>) -> impl IntoView {
    let lang = lang();
    // The newest of those that are shown: one that comes meanwhile stays unread.
    let unread = messages.iter().filter(|message| message.unread).map(|message| message.at.0).max();
    let list = if messages.is_empty() {
        view! { <Empty icon="bell" title=tr!(lang, member.no_messages) text=tr!(lang, member.no_messages_text) href="/orders" action=tr!(lang, member.orders) /> }.into_any()
    } else {
        view! {
            <ul class="card rows" role="list">
                {messages.into_iter().map(|message| view! { <Message message=message /> }).collect_view()}
            </ul>
        }
        .into_any()
    };
    view! {
        <div class="narrow stack">
            <PageHead title=tr!(lang, member.messages) back="/me" />
            {list}
            {unread.map(|up_to| view! {
                <form method="post" action="/api/messages/read" data-submit-once>
                    <input type="hidden" name="up_to" value=up_to />
                    <button class="button wide" type="submit" data-once><Icon name="check" size=20 />{tr!(lang, member.mark_read)}</button>
                </form>
            })}
        </div>
    }
}

#[component]
fn Message(message: MessageView) -> impl IntoView {
    let lang = lang();
    let text = words::message(lang, &message);
    let (title, unread) = (words::message_title(lang, &message.kind), message.unread);
    view! {
        <li class="message stack-small" data-unread=unread.then_some("")>
            <div class="spread">
                <h2 class="message-title">{title}</h2>
                {unread.then(|| view! { <span class="tag warn">{tr!(lang, member.unread)}</span> })}
            </div>
            <p>{text}</p>
            <div class="spread small">
                <span class="muted num">{message.at_text}</span>
                {message.order.map(|code| view! {
                    <a class="link" href=format!("/orders/{code}")>{tr!(lang, orders.see, code = &code)}</a>
                })}
            </div>
        </li>
    }
}
