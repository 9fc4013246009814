//! Reference dates: the moment from which `hours since 2000-01-01` counts, on the scale of its calendar.
//!
//! CF 1.11 (4.4): `standard` (or `gregorian`, or nothing said) is the Gregorian calendar from 1582-10-15 on and the Julian one
//! before, `proleptic_gregorian` and `julian` are one of them throughout, `noleap` (`365_day`), `all_leap` (`366_day`) and
//! `360_day` have years of one length. The first three count the same days, only under other names, so that moments of all
//! three are compared; those of the others are compared within one calendar. The day number of a date y-m-d is that of Richards
//! (2013, Explanatory Supplement to the Astronomical Almanac, 15.11), with 0 at 1970-01-01 of the Gregorian calendar.

/// The scale on which the moments of a calendar lie.
#[derive(Clone, Debug, PartialEq)]
enum Scale {
    /// Days as they passed.
    Real,
    /// Days of model years, by the calendar's name.
    Model(&'static str),
    /// A calendar or date that is not known here, in its own words.
    Words(String),
}

/// The moment from which times are counted.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    scale: Scale,
    /// Seconds from the scale's origin.
    seconds: f64,
}

/// Lengths of the months of a year without a leap day.
const MONTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const DAY: f64 = 86_400.0;
/// The first day of the Gregorian calendar.
const REFORM: (i64, i64, i64) = (1582, 10, 15);

impl Reference {
    /// What `units` and `calendar` say; none where times are counted from nothing that is named.
    pub(super) fn parse(units: &str, calendar: Option<&str>) -> Option<Self> {
        let since = units.to_lowercase().find(" since ")?;
        let date = units.get(since + 7..)?.trim();
        let calendar = calendar.unwrap_or_default().trim().to_lowercase();
        let found = moment(date).and_then(|(date, seconds)| {
            let (scale, day) = day(&calendar, date)?;
            Some(Self { scale, seconds: day as f64 * DAY + seconds })
        });
        let words = || Self { scale: Scale::Words(format!("{date} ({calendar})")), seconds: 0.0 };
        Some(found.unwrap_or_else(words))
    }

    /// The seconds from `other` to this one; none where calendars cannot be compared.
    pub(super) fn seconds_after(&self, other: &Self) -> Option<f64> {
        (self.scale == other.scale).then_some(self.seconds - other.seconds)
    }
}

/// The day of a date in a calendar; none for a date or calendar that there is not.
fn day(calendar: &str, date: (i64, i64, i64)) -> Option<(Scale, i64)> {
    let (year, month, day) = date;
    let index = usize::try_from(month - 1).ok().filter(|index| *index < 12)?;
    let before: i64 = MONTHS[..index].iter().sum();
    let leap = i64::from(index > 1);
    let most = if calendar == "360_day" { 30 } else { MONTHS[index] + i64::from(index == 1) };
    if !(1..=most).contains(&day) || year.abs() > 1_000_000 {
        return None;
    }
    Some(match calendar {
        "" | "standard" | "gregorian" => (Scale::Real, if date >= REFORM { gregorian(date) } else { julian(date) }),
        "proleptic_gregorian" => (Scale::Real, gregorian(date)),
        "julian" => (Scale::Real, julian(date)),
        "noleap" | "365_day" => (Scale::Model("noleap"), 365 * year + before + day),
        "all_leap" | "366_day" => (Scale::Model("all_leap"), 366 * year + before + leap + day),
        "360_day" => (Scale::Model("360_day"), 360 * year + 30 * (month - 1) + day),
        _ => return None,
    })
}

/// Days since 1970-01-01 without those that leap years of centuries leave out: a year begins in March.
fn julian((year, month, day): (i64, i64, i64)) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    365 * year + year.div_euclid(4) + (153 * month + 2) / 5 + day - 719_471
}

fn gregorian((year, month, day): (i64, i64, i64)) -> i64 {
    let shifted = if month > 2 { year } else { year - 1 };
    julian((year, month, day)) - shifted.div_euclid(100) + shifted.div_euclid(400) + 2
}

/// Date, and seconds after its midnight: `2000-01-01`, `2000-1-1 6:00:0.5`, `2000-01-01T06:00:00Z`, `... 00:00 +1:30`.
fn moment(text: &str) -> Option<((i64, i64, i64), f64)> {
    let (date, clock) = text.split_once(|c: char| c.is_whitespace() || c == 'T' || c == 't').unwrap_or((text, ""));
    let (sign, date) = date.strip_prefix('-').map_or((1, date), |date| (-1, date));
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok().filter(|part| *part >= 0));
    let year = sign * parts.next()??;
    let (month, day) = (parts.next().unwrap_or(Some(1))?, parts.next().unwrap_or(Some(1))?);
    if parts.next().is_some() {
        return None;
    }
    let clock = clock.trim();
    let end = clock.find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.')).unwrap_or(clock.len());
    let seconds = of_day(&clock[..end])? - zone(clock[end..].trim())?;
    Some(((year, month, day), seconds))
}

/// Seconds of `6`, `6:30` or `6:30:15.5`.
fn of_day(clock: &str) -> Option<f64> {
    let mut seconds = 0.0;
    for (part, unit) in clock.split(':').zip([3600.0, 60.0, 1.0]).filter(|_| !clock.is_empty()) {
        seconds += unit * part.parse::<f64>().ok().filter(|part| part.is_finite())?;
    }
    (clock.split(':').count() <= 3).then_some(seconds)
}

/// By how many seconds the clocks of a zone are ahead: `Z`, `UTC`, `+1:30`, `-0600`, `+2`.
fn zone(text: &str) -> Option<f64> {
    if ["", "z", "utc", "gmt"].contains(&text.to_lowercase().as_str()) {
        return Some(0.0);
    }
    let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
    let ahead = text.strip_prefix(['+', '-'])?;
    let packed = !ahead.contains(':') && ahead.len() > 2 && ahead.is_ascii();
    let seconds = if packed {
        let (hours, minutes) = ahead.split_at(ahead.len() - 2);
        of_day(&format!("{hours}:{minutes}"))
    } else {
        of_day(ahead)
    };
    seconds.map(|seconds| sign * seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days_between(one: &str, other: &str, calendars: [&str; 2]) -> Option<f64> {
        let at = |units: &str, calendar: &str| Reference::parse(units, Some(calendar)).unwrap();
        at(one, calendars[0]).seconds_after(&at(other, calendars[1])).map(|seconds| seconds / DAY)
    }

    /// The days between two dates as cftime 1.6 counts them.
    #[test]
    fn dates_are_those_of_their_calendars() {
        for (one, other, calendar, days) in [
            ("days since 2000-01-01", "days since 1970-01-01", "standard", 10_957.0),
            ("hours since 2000-03-01", "days since 2000-02-28", "gregorian", 2.0),
            ("days since 1900-03-01", "days since 1900-02-28", "standard", 1.0),
            ("days since 1582-10-15", "days since 1582-10-04", "standard", 1.0),
            ("days since 1582-10-15", "days since 1582-10-04", "proleptic_gregorian", 11.0),
            ("days since 2000-01-01", "days since 0001-01-01", "proleptic_gregorian", 730_119.0),
            ("days since 2000-01-01", "days since 0001-01-01", "standard", 730_121.0),
            ("days since 1900-03-01", "days since 1900-02-28", "julian", 2.0),
            ("days since 2001-01-01", "days since 2000-01-01", "noleap", 365.0),
            ("days since 2000-03-01", "days since 2000-02-28", "365_day", 1.0),
            ("days since 2002-01-01", "days since 2001-01-01", "366_day", 366.0),
            ("days since 2000-03-01", "days since 2000-02-30", "360_day", 1.0),
            ("days since -1-03-01", "days since -1-01-01", "noleap", 59.0),
        ] {
            assert_eq!(days_between(one, other, [calendar, calendar]), Some(days), "{one} {other} {calendar}");
        }
        // the real calendars count the same days
        let since = "days since 1582-10-15";
        assert_eq!(days_between(since, "days since 1582-10-05", ["standard", "julian"]), Some(0.0));
        assert_eq!(days_between("days since 2000-01-01", "days since 2000-01-01", ["standard", "noleap"]), None);
        assert_eq!(
            days_between("days since 2000-01-01", "days since 2000-01-01", ["", "proleptic_gregorian"]),
            Some(0.0)
        );
    }

    #[test]
    fn clocks_and_zones_are_read_as_udunits_writes_them() {
        for (date, hours) in [
            ("2000-1-1 6", 6.0),
            ("2000-01-01T06:30:00Z", 6.5),
            ("2000-01-01 06:30:00.000000", 6.5),
            ("2000-01-01 00:00:00 UTC", 0.0),
            ("2000-01-01 00:00 +1:30", -1.5),
            ("2000-01-01 00:00:00+0200", -2.0),
            ("2000-01-01 00:00 -6", 6.0),
            ("2000", 0.0),
        ] {
            let found =
                days_between(&format!("hours since {date}"), "days since 2000-01-01", ["", ""]).map(|days| 24.0 * days);
            assert!(found.is_some_and(|found| (found - hours).abs() < 1e-9), "{date}: {found:?}");
        }
        assert_eq!(Reference::parse("hours", None), None);
        // words that are no date are compared as words
        let [one, other] = ["the start", "the end"].map(|when| Reference::parse(&format!("days since {when}"), None));
        assert!(one.is_some() && one != other);
        for date in ["2000-13-01", "2000-01-32", "2000-01-01-01", "2000-01-01 1:2:3:4", "2000-01-01 00:00 EST"] {
            let read = Reference::parse(&format!("days since {date}"), None).unwrap();
            assert!(matches!(read.scale, Scale::Words(_)), "{date}");
        }
    }
}
