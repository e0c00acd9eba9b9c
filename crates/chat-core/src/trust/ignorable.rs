//! Characters that hide in a name or a text.

/// Unicode's Default_Ignorable_Code_Point (UAX #44): characters that are not shown, or that
/// change the order of what is shown.
pub fn is_ignorable(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'                                // soft hyphen
        | '\u{34f}'                             // grapheme joiner
        | '\u{61c}' | '\u{200b}'..='\u{200f}'   // zero width, joiners, marks of direction
        | '\u{115f}'..='\u{1160}'               // fillers
        | '\u{3164}' | '\u{ffa0}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{202a}'..='\u{202e}'               // embeddings, overrides
        | '\u{2060}'..='\u{206f}'               // invisible operators, isolates
        | '\u{fe00}'..='\u{fe0f}'               // variation selectors
        | '\u{feff}'
        | '\u{fff0}'..='\u{fff8}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}'             // tags, more variation selectors
    )
}
