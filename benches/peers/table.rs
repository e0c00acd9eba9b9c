//! What was measured, and how it is shown.

use std::collections::BTreeMap;

use crate::contender::Contender;

/// What is measured of each contender, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Measure {
    TripMedian,
    TripSlow,
    TripProcessor,
    ShortFlow,
    ShortFlowProcessor,
    LongFlow,
    LongFlowProcessor,
    Listening,
    Connected,
    ListenerIdle,
    DialerIdle,
    ListenerPeak,
    DialerPeak,
}

impl Measure {
    const ALL: [Self; 13] = [
        Self::TripMedian,
        Self::TripSlow,
        Self::TripProcessor,
        Self::ShortFlow,
        Self::ShortFlowProcessor,
        Self::LongFlow,
        Self::LongFlowProcessor,
        Self::Listening,
        Self::Connected,
        Self::ListenerIdle,
        Self::DialerIdle,
        Self::ListenerPeak,
        Self::DialerPeak,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::TripMedian => "round trip of a line p50, µs",
            Self::TripSlow => "round trip of a line p99, µs",
            Self::TripProcessor => "  CPU of both for each, µs",
            Self::ShortFlow => "flow of 100-byte lines, MB/s",
            Self::ShortFlowProcessor => "  CPU of both, s for each GB",
            Self::LongFlow => "flow of 10 KiB lines, MB/s",
            Self::LongFlowProcessor => "  CPU of both, s for each GB",
            Self::Listening => "start to listening, ms",
            Self::Connected => "dial to first round trip, ms",
            Self::ListenerIdle => "memory idle: listener, MiB",
            Self::DialerIdle => "memory idle: dialer, MiB",
            Self::ListenerPeak => "memory peak: listener, MiB",
            Self::DialerPeak => "memory peak: dialer, MiB",
        }
    }

    fn more_is_better(self) -> bool {
        matches!(self, Self::ShortFlow | Self::LongFlow)
    }
}

/// What each round measured of one contender, in the units of the table.
#[derive(Default)]
pub(crate) struct Figures(BTreeMap<Measure, Vec<f64>>);

impl Figures {
    /// Takes in what a round measured.
    pub(crate) fn add(&mut self, measure: Measure, value: f64) {
        self.0.entry(measure).or_default().push(value);
    }

    fn of(&self, measure: Measure) -> &[f64] {
        self.0.get(&measure).map_or(&[], Vec::as_slice)
    }

    /// How many times better this is than `base`: the median over the rounds.
    fn ratio(&self, base: &Self, measure: Measure) -> f64 {
        let rounds = self.of(measure).iter().zip(base.of(measure));
        median(rounds.map(|(own, base)| match measure.more_is_better() {
            true => own / base,
            false => base / own,
        }))
    }
}

/// Prints a line for each measure and a column for each contender.
pub(crate) fn print(contenders: &[Contender], figures: &[Figures]) {
    print!("{:30}", "");
    for contender in contenders {
        print!("{:>16}", contender.name);
    }
    println!();
    for measure in Measure::ALL {
        print!("{:30}", measure.title());
        for (contender, own) in contenders.iter().zip(figures) {
            let same_kind = |other: &Contender| other.encrypted == contender.encrypted;
            let base = contenders.iter().position(same_kind).unwrap_or_default();
            let value = median(own.of(measure).iter().copied());
            let ratio = own.ratio(&figures[base], measure);
            print!("{value:>9.*} {ratio:>5.2}×", usize::from(value < 100.0));
        }
        println!();
    }
    println!(
        "\nMedians over the rounds. ×: how many times better than nc (plaintext) and than \
         ncat --ssl\n(encrypted) in the same round; above 1 is better, for times and memory too."
    );
}

/// The middle value; with an even count the upper of the two.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    percentile(values, 50)
}

/// The value that `percent` of all do not exceed.
pub(crate) fn percentile(values: impl Iterator<Item = f64>, percent: usize) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = (values.len() * percent / 100).min(last);
    values.get(at).copied().unwrap_or(f64::NAN)
}
