//! The emoji of the safety number.

/// Easy to tell apart, by sight and by name; each is one wide character.
pub(super) const EMOJI: [(char, &str); 64] = [
    ('🦉', "owl"),
    ('🦊', "fox"),
    ('🐸', "frog"),
    ('🐝', "bee"),
    ('🐌', "snail"),
    ('🐳', "whale"),
    ('🦀', "crab"),
    ('🐫', "camel"),
    ('🐯', "tiger"),
    ('🐭', "mouse"),
    ('🐨', "koala"),
    ('🐵', "monkey"),
    ('🐍', "snake"),
    ('🦆', "duck"),
    ('🦇', "bat"),
    ('🐮', "cow"),
    ('🍎', "apple"),
    ('🍌', "banana"),
    ('🍒', "cherries"),
    ('🍇', "grapes"),
    ('🍋', "lemon"),
    ('🍉', "melon"),
    ('🥕', "carrot"),
    ('🌽', "corn"),
    ('🍞', "bread"),
    ('🧀', "cheese"),
    ('🥚', "egg"),
    ('🍕', "pizza"),
    ('🍪', "cookie"),
    ('🍯', "honey"),
    ('🥜', "peanuts"),
    ('🥑', "avocado"),
    ('🌞', "sun"),
    ('🌈', "rainbow"),
    ('🌊', "wave"),
    ('🌋', "volcano"),
    ('🌴', "palm"),
    ('🌹', "rose"),
    ('🍁', "maple"),
    ('🍀', "clover"),
    ('🔥', "fire"),
    ('⭐', "star"),
    ('⛄', "snowman"),
    ('⚡', "lightning"),
    ('🌍', "globe"),
    ('💧', "drop"),
    ('🌵', "cactus"),
    ('🍄', "mushroom"),
    ('🔑', "key"),
    ('🔔', "bell"),
    ('🥁', "drum"),
    ('🎸', "guitar"),
    ('🎺', "trumpet"),
    ('🎈', "balloon"),
    ('🎁', "gift"),
    ('⚓', "anchor"),
    ('🚀', "rocket"),
    ('🚲', "bicycle"),
    ('🚂', "train"),
    ('⛵', "boat"),
    ('⛺', "tent"),
    ('🔨', "hammer"),
    ('📕', "book"),
    ('👑', "crown"),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_emoji_is_there_twice() {
        let signs: HashSet<_> = EMOJI.iter().map(|(sign, _)| sign).collect();
        let names: HashSet<_> = EMOJI.iter().map(|(_, name)| name).collect();
        assert_eq!((signs.len(), names.len()), (64, 64));
    }
}
