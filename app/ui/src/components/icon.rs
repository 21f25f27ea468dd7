//! Line icons, drawn on a grid of 24 and coloured by the text around them.

use leptos::prelude::*;

/// An icon by name; an unknown name draws a dot. Decorative: the text beside it
/// says what it means.
#[component]
pub fn Icon(
    /// Name, see `paths`.
    name: &'static str,
    /// Edge in CSS pixels.
    #[prop(default = 24)]
    size: u16,
) -> impl IntoView {
    view! {
        <svg
            class="icon"
            width=size
            height=size
            viewBox="0 0 24 24"
            fill="none"
            stroke="currentColor"
            stroke-width="1.8"
            stroke-linecap="round"
            stroke-linejoin="round"
            aria-hidden="true"
            focusable="false"
        >
            <path d=paths(name) />
        </svg>
    }
}

/// The strokes of an icon.
pub fn paths(name: &str) -> &'static str {
    match name {
        "home" => "M4 11 12 4l8 7M6 9.5V20h12V9.5M10 20v-6h4v6",
        "categories" => "M4 4h6.5v6.5H4zM13.5 4H20v6.5h-6.5zM4 13.5h6.5V20H4zM13.5 13.5H20V20h-6.5z",
        "basket" => "M3 4h2.5l2.2 11.2h10.6L20.5 8H6.3M9 19.5h.01M17 19.5h.01",
        "me" => "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4.5 20.5c.6-4 3.6-6 7.5-6s6.900 2 7.500 6",
        "search" => "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM16 16l4.500 4.500",
        "pin" => {
            "M12 21c4.500-4.700 7-8 7-11a7 7 0 1 0-14 0c0 3 2.500 6.300 7 11ZM12 12.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z"
        }
        "back" => "M15 5l-7 7 7 7",
        "forward" => "M9 5l7 7-7 7",
        "down" => "M5 9l7 7 7-7",
        "plus" => "M12 5v14M5 12h14",
        "minus" => "M5 12h14",
        "close" => "M6 6l12 12M18 6 6 18",
        "check" => "M5 12.500l4.500 4.500L19 7.500",
        "alert" => "M12 4 2.500 20h19ZM12 10v4.500M12 17.200h.01",
        "bell" => "M6 16.500V11a6 6 0 0 1 12 0v5.500l1.500 2h-15ZM10 21h4",
        "info" => "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 11v5.500M12 7.800h.01",
        "trash" => "M4.500 7h15M9.500 7V4.500h5V7M6.500 7l.8 12.500h9.400L17.500 7M10 10.500v6M14 10.500v6",
        "edit" => "M5 19l.8-3.800L16 5l3 3L8.800 18.200ZM14 7l3 3",
        "clock" => "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7v5.500l3.500 2",
        "truck" => {
            "M3 6h11v10H3zM14 9.500h4l3 3.500v3h-7M7 18.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3ZM17 18.500a1.500 1.500 0 1 0 0-3 1.500 1.500 0 0 0 0 3Z"
        }
        "store" => {
            "M4 10v10h16V10M3 10l1.800-6h14.400L21 10a3 3 0 0 1-6 0 3 3 0 0 1-6 0 3 3 0 0 1-6 0ZM9.500 20v-5.500h5V20"
        }
        "receipt" => "M6 3.500h12v17l-2.400-1.500-2.400 1.500L12 19.500l-1.200 1-2.400-1.500L6 20.500ZM9 8h6M9 12h6",
        "swap" => "M7 4 3.500 7.500 7 11M3.500 7.500h13M17 13l3.500 3.500L17 20M20.500 16.500h-13",
        "ticket" => "M4 6.500h16V10a2 2 0 0 0 0 4v3.500H4V14a2 2 0 0 0 0-4ZM14 6.500v11",
        "filter" => "M4 6h16M7 12h10M10 18h4",
        "settings" => {
            "M4 7h9M17 7h3M15 9.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5ZM4 17h3M11 17h9M9 19.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z"
        }
        "phone" => {
            "M6 3.500h3l1.500 4.500-2 1.500a11 11 0 0 0 6 6l1.500-2 4.500 1.500v3c0 1-1 2-2 2A16 16 0 0 1 4 5.500c0-1 1-2 2-2Z"
        }
        "leaf" => "M5 19c0-9 5-14 15-14 0 10-5 15-14 14M5 19c2-4 5-7 9-9",
        "star" => "M12 4l2.500 5.200 5.500.700-4 3.900 1 5.700-5-2.800-5 2.800 1-5.700-4-3.900 5.500-.700Z",
        "logout" => "M10 4.500H5v15h5M14 8l4 4-4 4M18 12H9.500",
        "offline" => {
            "M4 4l16 16M8.500 16a5 5 0 0 1 6.500-.300M5 12.500a10 10 0 0 1 4-2.300M2.500 9a14 14 0 0 1 4-2.700M11 5a14 14 0 0 1 10.500 4M14 10a10 10 0 0 1 5 2.500M12 19.500h.01"
        }
        "more" => "M6 12h.01M12 12h.01M18 12h.01",
        _ => "M12 12h.01",
    }
}
