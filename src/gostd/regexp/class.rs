//! Named character sets of Go's `regexp/syntax`, as pieces of a Rust bracket expression.
//!
//! Every function returns text that can stand inside `[...]`. Which characters a Unicode name holds is
//! left to the `regex` crate's tables; which names exist follows Go.

/// Go's Perl classes: ASCII only, and `\s` without vertical tab.
pub(super) fn perl(letter: char) -> Option<&'static str> {
    Some(match letter {
        'd' => "0-9",
        'D' => "[^0-9]",
        's' => r"\t\n\x0C\r\x20",
        'S' => r"[^\t\n\x0C\r\x20]",
        'w' => "0-9A-Za-z_",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

/// `[:name:]` and `[:^name:]`, given the part between the colons.
pub(super) fn posix(name: &str) -> Option<String> {
    let (is_negated, name) = match name.strip_prefix('^') {
        Some(name) => (true, name),
        None => (false, name),
    };
    let known = [
        "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
        "space", "upper", "word", "xdigit",
    ];
    known
        .contains(&name)
        .then(|| format!("[:{}{name}:]", if is_negated { "^" } else { "" }))
}

/// The set of a name in `\p{name}`, negated on demand; `None` for a name that Go does not know.
pub(super) fn unicode(name: &str, is_negated: bool) -> Option<String> {
    let name = canonical(name);
    let letter = if is_negated { 'P' } else { 'p' };
    let caret = if is_negated { "^" } else { "" };
    match &*name {
        "Any" => return Some(format!(r"[{caret}\x{{0}}-\x{{10FFFF}}]")),
        "Ascii" => return Some(format!(r"[{caret}\x{{0}}-\x{{7F}}]")),
        "Assigned" => return Some(format!(r"\{}{{Cn}}", if is_negated { 'p' } else { 'P' })),
        // Surrogates do not occur in text.
        "Cs" | "Surrogate" => {
            return Some(format!(
                r"[{}\x{{0}}-\x{{10FFFF}}]",
                if is_negated { "" } else { "^" }
            ));
        }
        _ => {}
    }
    if let Some(category) = category(&name) {
        return Some(format!(r"\{letter}{{{category}}}"));
    }
    SCRIPTS
        .split_ascii_whitespace()
        .find(|script| canonical(script) == *name)
        .map(|script| format!(r"\{letter}{{sc={script}}}"))
}

/// Go's canonical spelling: no spaces, underscores or hyphens; first letter upper case, the rest lower
/// case.
fn canonical(name: &str) -> String {
    let mut kept = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    let first = kept.next().map(|c| c.to_ascii_uppercase());
    first
        .into_iter()
        .chain(kept.map(|c| c.to_ascii_lowercase()))
        .collect()
}

/// The short name of a general category, by short name or alias in canonical spelling.
fn category(name: &str) -> Option<&'static str> {
    CATEGORIES
        .split_ascii_whitespace()
        .filter_map(|entry| entry.split_once('='))
        .find(|(short, aliases)| {
            canonical(short) == name || aliases.split(',').any(|alias| alias == name)
        })
        .map(|(short, _)| short)
}

/// `unicode.Categories` with the aliases of `unicode.CategoryAliases` in canonical spelling.
const CATEGORIES: &str = "C=Other Cc=Control,Cntrl Cf=Format Cn=Unassigned Co=Privateuse L=Letter LC=Casedletter \
    Ll=Lowercaseletter Lm=Modifierletter Lo=Otherletter Lt=Titlecaseletter Lu=Uppercaseletter \
    M=Mark,Combiningmark Mc=Spacingmark Me=Enclosingmark Mn=Nonspacingmark N=Number Nd=Decimalnumber,Digit \
    Nl=Letternumber No=Othernumber P=Punctuation,Punct Pc=Connectorpunctuation Pd=Dashpunctuation \
    Pe=Closepunctuation Pf=Finalpunctuation Pi=Initialpunctuation Po=Otherpunctuation Ps=Openpunctuation \
    S=Symbol Sc=Currencysymbol Sk=Modifiersymbol Sm=Mathsymbol So=Othersymbol Z=Separator Zl=Lineseparator \
    Zp=Paragraphseparator Zs=Spaceseparator";

/// The keys of `unicode.Scripts`.
const SCRIPTS: &str = "Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali \
    Bhaiksuki Bopomofo Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian \
    Chakma Cham Cherokee Chorasmian Common Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret \
    Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs Elbasan Elymaic Ethiopic Georgian \
    Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul Hanifi_Rohingya Hanunoo \
    Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi Inscriptional_Parthian \
    Javanese Kaithi Kannada Katakana Kawi Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki Khudawadi \
    Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic \
    Manichaean Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive \
    Meroitic_Hieroglyphs Miao Modi Mongolian Mro Multani Myanmar Nabataean Nag_Mundari Nandinagari \
    New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki Old_Hungarian Old_Italic \
    Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic Old_Uyghur Oriya \
    Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic \
    Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo \
    Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut \
    Telugu Thaana Thai Tibetan Tifinagh Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi \
    Zanabazar_Square";
