//! Pictures of items: those of the catalog, and drawings for the others.

use crate::domain::sale::{Item, generated_image};
use crate::domain::shared::Ordinal;

/// A drawing with two or three tones of one hue, which the style sheet chooses.
#[derive(Debug, PartialEq, Eq)]
pub struct Drawing {
    pub name: &'static str,
    pub shapes: &'static str,
}

/// The picture of an item.
#[derive(Debug, Clone)]
pub enum Picture {
    /// One of the catalog, at this address.
    Photo(String),
    /// A drawing in one of the hues.
    Drawn { drawing: &'static Drawing, hue: u32 },
}

/// Hues of the style sheet.
const HUES: u32 = 12;

impl Picture {
    /// The picture of an item. The same item always has the same one.
    pub fn of(ordinal: Ordinal, item: &Item) -> Self {
        let url = item.image_url();
        // A page with a picture over plain HTTP would break its security policy.
        if !url.starts_with("http://") && url != generated_image(ordinal.get()) {
            return Picture::Photo(url.to_owned());
        }
        // Neighbours differ.
        let hue = (ordinal.get() * 5 + ordinal.get() / HUES) % HUES;
        Picture::Drawn { drawing: drawing_of(item.name(), ordinal), hue }
    }

    /// Returns the drawings that these pictures need, each once.
    pub fn drawings<'a>(pictures: impl Iterator<Item = &'a Picture>) -> Vec<&'static Drawing> {
        let mut drawings: Vec<&Drawing> = Vec::new();
        for picture in pictures {
            if let Picture::Drawn { drawing, .. } = picture
                && !drawings.contains(drawing)
            {
                drawings.push(drawing);
            }
        }
        drawings
    }
}

fn drawing_of(name: &str, ordinal: Ordinal) -> &'static Drawing {
    let has_word = |drawing: &&Drawing| name.split_whitespace().any(|word| word.eq_ignore_ascii_case(drawing.name));
    THINGS.iter().find(has_word).unwrap_or_else(|| &PARCELS[ordinal.index() % PARCELS.len()])
}

const fn drawing(name: &'static str, shapes: &'static str) -> Drawing {
    Drawing { name, shapes }
}

/// Drawings of things by a word of their name.
static THINGS: [Drawing; 12] = [
    drawing("Lamp", r#"<path class="b" d="M30 34h4v18h-4zM20 50h24v5H20z"/><path class="a" d="M23 10h18l9 25H14z"/>"#),
    drawing(
        "Chair",
        r#"<path class="b" d="M17 42h4v14h-4zM43 42h4v14h-4z"/><path class="a" d="M19 8h26v24H19z"/><path class="c" d="M14 34h36v9H14z"/>"#,
    ),
    drawing(
        "Clock",
        r#"<circle class="b" cx="32" cy="32" r="24"/><circle class="c" cx="32" cy="32" r="19"/><path class="l" d="M32 19v13l9 6"/>"#,
    ),
    drawing(
        "Kettle",
        r#"<path class="l" d="M20 26q12-22 24 0"/><path class="b" d="M44 32l13-7-7 20z"/><path class="a" d="M20 24h24q8 12 6 30H14q-2-18 6-30z"/>"#,
    ),
    drawing(
        "Camera",
        r#"<path class="b" d="M24 13h16l5 9H19z"/><rect class="a" x="7" y="20" width="50" height="33" rx="5"/><circle class="c" cx="32" cy="36" r="12"/><circle class="b" cx="32" cy="36" r="7"/>"#,
    ),
    drawing(
        "Jacket",
        r#"<path class="a" d="M22 9h20l15 13-7 10-6-5v28H20V27l-6 5-7-10z"/><path class="b" d="M23 9h18l-9 11zM31 20h2v35h-2z"/>"#,
    ),
    drawing(
        "Backpack",
        r#"<path class="l" d="M25 14q0-8 7-8t7 8"/><rect class="a" x="13" y="13" width="38" height="43" rx="12"/><rect class="c" x="19" y="33" width="26" height="16" rx="4"/>"#,
    ),
    drawing(
        "Watch",
        r#"<path class="b" d="M24 4h16l2 56H22z"/><circle class="a" cx="32" cy="32" r="18"/><circle class="c" cx="32" cy="32" r="13"/><path class="l" d="M32 24v8h6"/>"#,
    ),
    drawing(
        "Speaker",
        r#"<rect class="a" x="15" y="5" width="34" height="54" rx="5"/><circle class="b" cx="32" cy="40" r="12"/><circle class="c" cx="32" cy="40" r="5"/><circle class="b" cx="32" cy="17" r="6"/>"#,
    ),
    drawing(
        "Vase",
        r#"<path class="a" d="M25 7h14q-2 9 6 16 8 9 0 21-4 12-13 12T19 44q-8-12 0-21 8-7 6-16z"/><path class="c" d="M17 31h30v6H17z"/>"#,
    ),
    drawing(
        "Bicycle",
        r#"<g class="l"><circle cx="16" cy="42" r="11"/><circle cx="48" cy="42" r="11"/><path d="M16 42l8-20h17l7 20M24 22l9 20 8-20M16 42h17M20 18h8M41 22v-7h6"/></g>"#,
    ),
    drawing(
        "Guitar",
        r#"<path class="b" d="M30 3h5v32h-5z"/><path class="a" d="M32 25q11 0 9 10 9 4 7 14-3 10-16 10T16 49q-2-10 7-14-2-10 9-10z"/><circle class="c" cx="32" cy="43" r="6"/>"#,
    ),
];

/// Drawings for everything else.
static PARCELS: [Drawing; 3] = [
    drawing(
        "gift",
        r#"<path class="a" d="M10 28h44v28H10z"/><path class="b" d="M7 19h50v10H7z"/><path class="c" d="M28 19h8v37h-8z"/><path class="l" d="M32 18q-15 0-12-9 9-3 12 9 3-12 12-9 3 9-12 9"/>"#,
    ),
    drawing(
        "tag",
        r#"<path class="a" d="M8 8h25l25 25-25 25L8 33z"/><circle class="c" cx="20" cy="20" r="5"/><path class="l" d="M28 32l12 12"/>"#,
    ),
    drawing(
        "cube",
        r#"<path class="c" d="M32 5l25 13-25 13L7 18z"/><path class="a" d="M7 18l25 13v28L7 46z"/><path class="b" d="M57 18L32 31v28l25-13z"/>"#,
    ),
];

#[cfg(test)]
mod tests {
    use crate::domain::sale::Catalog;
    use crate::domain::shared::Money;

    use super::*;

    fn picture(name: &str, url: &str) -> Picture {
        let item = Item::new(name.into(), url.into(), Money::from_cents(1), 1).unwrap();
        Picture::of(7.try_into().unwrap(), &item)
    }

    #[test]
    fn every_kind_of_generated_item_has_a_drawing_of_its_own() {
        let catalog = Catalog::generated(50).unwrap();
        let pictures: Vec<Picture> = catalog.iter().map(|(ordinal, item)| Picture::of(ordinal, item)).collect();
        assert_eq!(Picture::drawings(pictures.iter()).len(), THINGS.len());
    }

    #[test]
    fn a_picture_of_the_catalog_is_shown_unless_it_is_a_placeholder_or_not_secure() {
        assert!(matches!(picture("Lamp", "https://img.example/1.jpg"), Picture::Photo(url) if url.ends_with("1.jpg")));
        assert!(matches!(picture("Lamp", "/own/lamp.jpg"), Picture::Photo(_)));
        for url in ["/images/00007.jpg", "http://img.example/1.jpg"] {
            assert!(matches!(picture("Oak lamp", url), Picture::Drawn { drawing, .. } if drawing.name == "Lamp"));
        }
        assert!(
            matches!(picture("Lampshade", "/images/00007.jpg"), Picture::Drawn { drawing, .. } if PARCELS.contains(drawing))
        );
    }
}
