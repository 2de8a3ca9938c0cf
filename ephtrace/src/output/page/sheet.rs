//! One file of HTML around any body: style, script and policy.
//!
//! The page loads nothing, and its policy (`Content-Security-Policy`) forbids it to. Charts are SVG
//! drawn here; the script only zooms, shows tooltips and copies commands, and everything is there
//! without it. `maud` escapes every text.

use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("style.css");
pub(super) const SCRIPT: &str = include_str!("script.js");

/// SHA-256 of [`SCRIPT`], in base 64: the policy allows this script and no other. A test says what
/// it has to be.
pub(super) const SCRIPT_HASH: &str = "qrJ3xjuZxNjh22JrLBOwOevc5yUHZWq1ljO+0M5Ku1I=";

/// The whole file.
pub(super) fn render(title: &str, body: &Markup) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title))
            body { (body) script { (PreEscaped(SCRIPT)) } }
        }
    }
    .into_string()
}

fn head(title: &str) -> Markup {
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src \
         'sha256-{SCRIPT_HASH}'; base-uri 'none'; form-action 'none'"
    );
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="color-scheme" content="light dark";
            // An empty one, or browsers ask the server for it.
            link rel="icon" href="data:,";
            title { (title) }
            style { (PreEscaped(STYLE)) }
        }
    }
}
