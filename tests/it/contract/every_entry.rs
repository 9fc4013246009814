//! What the entries of all registries of this crate promise of their settings.

use scorecast::forecast::FORECASTERS;
use scorecast::score::METRICS;

use crate::derived::assert_wrong_settings_are_refused;

#[test]
fn wrong_settings_are_refused_by_name() {
    assert_wrong_settings_are_refused(FORECASTERS);
    assert_wrong_settings_are_refused(METRICS);
}
