//! The shortest plan that still fails: what does not matter is left out, the rest made smaller.

use crate::plan::Plan;

/// So many runs are made for that.
const TRIES: usize = 500;

/// The shortest plan that was found to fail, as `plan` does.
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut shortest = plan.clone();
    let mut tries = 0;
    loop {
        let smaller = shortest.smaller().into_iter();
        let mut smaller = smaller.take(TRIES - tries).inspect(|_| tries += 1);
        match smaller.find(&fails) {
            Some(plan) => shortest = plan,
            None => return shortest,
        }
    }
}

/// What can be left out of so many: all, a half, a quarter, down to each one.
pub fn chunks(count: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let lengths = std::iter::successors(Some(count), |length| Some(length / 2));
    let lengths = lengths.take_while(|length| *length > 0);
    lengths.flat_map(move |length| {
        let begins = (0..count).step_by(length);
        begins.map(move |begin| begin..count.min(begin + length))
    })
}

/// Smaller numbers than this one, the smallest first.
pub fn below(number: u64) -> impl Iterator<Item = u64> {
    let less = [0, number / 2, number.saturating_sub(1)];
    less.into_iter().filter(move |less| *less < number)
}
