//! Colours: a categorical palette that colour-blind readers can tell apart (Okabe and Ito 2008), a perceptually even map
//! for fields (viridis: Smith and van der Walt 2015) and a diverging one for errors (ColorBrewer RdBu: Harrower and
//! Brewer 2003).

/// Red, green and blue, 0 to 255.
pub(super) type Rgb = [u8; 3];

/// The colour of the truth and of the true system, on a light page.
pub(super) const INK: &str = "#111111";

/// Okabe and Ito's palette without black (the truth's) and without the yellow that white swallows.
const CATEGORIES: [&str; 6] = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9"];

/// Solid first, then patterns that stay distinct in a line of 1.5 px.
const DASHES: [&str; 5] = ["", "6 3", "2 2", "8 3 2 3", "12 4"];

/// How a row is drawn wherever it appears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    /// The colour's number; none is the ink of the truth.
    pub colour: Option<usize>,
    /// The dash pattern's number.
    pub dash: usize,
}

impl Style {
    /// The truth's style.
    pub const TRUTH: Self = Self { colour: None, dash: 0 };
    /// How many colours there are.
    pub const COLOURS: usize = CATEGORIES.len();
    /// How many dash patterns there are.
    pub const DASHES: usize = DASHES.len();

    /// The colour on a light page.
    pub fn hex(self) -> &'static str {
        self.colour.map_or(INK, |index| CATEGORIES[index % CATEGORIES.len()])
    }

    /// The class that lets a dark page change the colour: `k` and `kt` for strokes, with `f` for fills.
    pub fn class(self) -> String {
        self.colour.map_or("t".into(), |index| (index % CATEGORIES.len()).to_string())
    }

    /// The attributes of a line in this style.
    pub fn stroke(self) -> String {
        let dash = match DASHES[self.dash % DASHES.len()] {
            "" => String::new(),
            pattern => format!(r#" stroke-dasharray="{pattern}""#),
        };
        format!(r#"class="k{}" stroke="{}" fill="none"{dash}"#, self.class(), self.hex())
    }

    /// The attributes of an area in this style.
    pub fn fill(self) -> String {
        format!(r#"class="f{}" fill="{}""#, self.class(), self.hex())
    }
}

/// A continuous map from [0, 1] to colours, through evenly spaced anchors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Map(&'static [Rgb]);

/// For fields.
pub(super) const FIELD: Map = Map(&[
    [68, 1, 84],
    [72, 40, 120],
    [62, 74, 137],
    [49, 104, 142],
    [38, 130, 142],
    [31, 158, 137],
    [53, 183, 121],
    [109, 205, 89],
    [180, 222, 44],
    [253, 231, 37],
]);

/// For errors: blue below zero, red above, near-white at zero.
pub(super) const ERROR: Map = Map(&[
    [5, 48, 97],
    [33, 102, 172],
    [67, 147, 195],
    [146, 197, 222],
    [209, 229, 240],
    [247, 247, 247],
    [253, 219, 199],
    [244, 165, 130],
    [214, 96, 77],
    [178, 24, 43],
    [103, 0, 31],
]);

impl Map {
    /// The colour at `share`, which is clamped to [0, 1].
    pub fn at(self, share: f64) -> Rgb {
        let place = share.clamp(0.0, 1.0) * (self.0.len() - 1) as f64;
        let index = (place as usize).min(self.0.len() - 2);
        let part = place - index as f64;
        let mix = |c: usize| {
            let (low, high) = (f64::from(self.0[index][c]), f64::from(self.0[index + 1][c]));
            (low + part * (high - low)).round() as u8
        };
        [mix(0), mix(1), mix(2)]
    }

    /// The map as the stops of a CSS gradient.
    pub fn gradient(self) -> String {
        let stops: Vec<String> = self.0.iter().map(|&colour| hex(colour)).collect();
        format!("linear-gradient(to right,{})", stops.join(","))
    }
}

/// `#rrggbb`.
pub(super) fn hex([r, g, b]: Rgb) -> String {
    format!("#{r:02x}{g:02x}{b:02x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_pass_through_their_anchors() {
        assert_eq!(FIELD.at(0.0), [68, 1, 84]);
        assert_eq!(FIELD.at(1.0), [253, 231, 37]);
        assert_eq!(FIELD.at(1.0 / 9.0), [72, 40, 120]);
        assert_eq!(ERROR.at(0.5), [247, 247, 247]);
        assert_eq!(ERROR.at(-3.0), [5, 48, 97]);
        assert_eq!(ERROR.at(0.05), [19, 75, 135], "half way between the first two anchors");
        assert_eq!(hex(ERROR.at(0.5)), "#f7f7f7");
    }

    #[test]
    fn the_field_map_gets_lighter_all_along() {
        let luminance = |[r, g, b]: Rgb| 0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b);
        let values: Vec<f64> = (0..=64).map(|i| luminance(FIELD.at(f64::from(i) / 64.0))).collect();
        assert!(values.windows(2).all(|pair| pair[1] > pair[0]), "{values:?}");
    }
}
