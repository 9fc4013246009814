//! How finely a variable is stored: a value v may be a + r |v| away from the number that was meant.
//!
//! Doubles keep it. Single precision rounds to 2^-24 of a value. Integers round to half of a unit, which packing (`scale_factor`
//! s and `add_offset` b, CF 1.11, 8.1) makes s/2; packed single precision to 2^-24 of |v - b| <= |v| + |b|.

use super::cf::PACKING;
use super::dataset::Attribute;
use super::source::{Array, StorageKind};

/// How finely values are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Resolution {
    /// Away from what was meant, whatever the value.
    pub absolute: f64,
    /// And in proportion to it.
    pub relative: f64,
}

/// Half of the last digit of single precision.
const SINGLE: f64 = f32::EPSILON as f64 / 2.0;

impl Resolution {
    /// Of an array of a file.
    pub(super) fn of(array: &Array) -> Self {
        let attributes = array.attributes.all().unwrap_or_default();
        let number = |name: &str| {
            let found = attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value);
            found.and_then(Attribute::numbers).and_then(|all| all.first().copied())
        };
        let [scale, offset] = PACKING.map(number);
        let (scale, offset) = (scale.unwrap_or(1.0), offset.unwrap_or(0.0));
        match array.kind {
            StorageKind::F64 => Self::default(),
            StorageKind::F32 => Self { absolute: SINGLE * offset.abs(), relative: SINGLE },
            _ => Self { absolute: 0.5 * scale.abs(), relative: 0.0 },
        }
    }

    /// How far from its number a value may be.
    pub fn at(&self, value: f64) -> f64 {
        self.absolute + self.relative * value.abs()
    }
}
