//! The error texts of Go's JSON scanner, for text that serde has refused already.

/// What `json.Unmarshal` says about the text; `None` if it would accept it.
pub(super) fn go_text(text: &str) -> Option<String> {
    let mut scanner = Scanner { chars: text.chars().peekable(), depth: 0 };
    let error = scanner.value("looking for beginning of value").err().or_else(|| scanner.end().err())?;
    Some(match error {
        Some((found, context)) => format!("invalid character {} {context}", quote(found)),
        None => "unexpected end of JSON input".to_owned(),
    })
}

/// A character and what was expected where it stands; `None` at the end of the text.
type Unexpected = Option<(char, String)>;

/// Nesting at which the scanner gives up; Go goes on to 10000.
const DEPTH_MAX: usize = 200;

struct Scanner<'t> {
    chars: std::iter::Peekable<std::str::Chars<'t>>,
    depth: usize,
}

impl Scanner<'_> {
    fn skip_space(&mut self) {
        while self.chars.next_if(|c| matches!(c, ' ' | '\t' | '\n' | '\r')).is_some() {}
    }

    fn next(&mut self, context: &str) -> Result<(char, String), Unexpected> {
        self.chars.next().map(|next| (next, context.to_owned())).ok_or(None)
    }

    /// As [`next`](Self::next) inside of a word, number or escape: Go feeds its scanner a space at the end of the text.
    fn next_inside(&mut self, context: &str) -> (char, String) {
        (self.chars.next().unwrap_or(' '), context.to_owned())
    }

    fn end(&mut self) -> Result<(), Unexpected> {
        self.skip_space();
        match self.chars.next() {
            Some(next) => Err(Some((next, "after top-level value".to_owned()))),
            None => Ok(()),
        }
    }

    fn value(&mut self, context: &str) -> Result<(), Unexpected> {
        self.skip_space();
        let (first, context) = self.next(context)?;
        match first {
            '{' | '[' if self.depth >= DEPTH_MAX => Ok(()),
            '{' => self.nested(Self::object),
            '[' => self.nested(Self::array),
            '"' => self.string(),
            '-' => match self.next_inside("in numeric literal") {
                (digit @ '0'..='9', _) => self.number(digit),
                other => Err(Some(other)),
            },
            digit @ '0'..='9' => self.number(digit),
            't' => self.word("rue", "true"),
            'f' => self.word("alse", "false"),
            'n' => self.word("ull", "null"),
            other => Err(Some((other, context))),
        }
    }

    fn nested(&mut self, inner: impl FnOnce(&mut Self) -> Result<(), Unexpected>) -> Result<(), Unexpected> {
        self.depth += 1;
        inner(self)?;
        self.depth -= 1;
        Ok(())
    }

    fn object(&mut self) -> Result<(), Unexpected> {
        self.skip_space();
        if self.chars.next_if_eq(&'}').is_some() {
            return Ok(());
        }
        loop {
            self.skip_space();
            match self.next("looking for beginning of object key string")? {
                ('"', _) => self.string()?,
                other => return Err(Some(other)),
            }
            self.skip_space();
            match self.next("after object key")? {
                (':', _) => self.value("looking for beginning of value")?,
                other => return Err(Some(other)),
            }
            self.skip_space();
            match self.next("after object key:value pair")? {
                (',', _) => {}
                ('}', _) => return Ok(()),
                other => return Err(Some(other)),
            }
        }
    }

    fn array(&mut self) -> Result<(), Unexpected> {
        self.skip_space();
        if self.chars.next_if_eq(&']').is_some() {
            return Ok(());
        }
        loop {
            self.value("looking for beginning of value")?;
            self.skip_space();
            match self.next("after array element")? {
                (',', _) => {}
                (']', _) => return Ok(()),
                other => return Err(Some(other)),
            }
        }
    }

    fn string(&mut self) -> Result<(), Unexpected> {
        loop {
            match self.next("in string literal")? {
                ('"', _) => return Ok(()),
                ('\\', _) => match self.next_inside("in string escape code") {
                    ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't', _) => {}
                    ('u', _) => {
                        for _ in 0..4 {
                            match self.next_inside("in \\u hexadecimal character escape") {
                                (digit, _) if digit.is_ascii_hexdigit() => {}
                                other => return Err(Some(other)),
                            }
                        }
                    }
                    other => return Err(Some(other)),
                },
                (control @ '\0'..='\u{1f}', context) => return Err(Some((control, context))),
                _ => {}
            }
        }
    }

    fn digits(&mut self) {
        while self.chars.next_if(char::is_ascii_digit).is_some() {}
    }

    fn number(&mut self, first: char) -> Result<(), Unexpected> {
        if first != '0' {
            self.digits();
        }
        if self.chars.next_if_eq(&'.').is_some() {
            match self.next_inside("after decimal point in numeric literal") {
                ('0'..='9', _) => self.digits(),
                other => return Err(Some(other)),
            }
        }
        if self.chars.next_if(|c| matches!(c, 'e' | 'E')).is_some() {
            let _sign = self.chars.next_if(|c| matches!(c, '+' | '-'));
            match self.next_inside("in exponent of numeric literal") {
                ('0'..='9', _) => self.digits(),
                other => return Err(Some(other)),
            }
        }
        Ok(())
    }

    fn word(&mut self, rest: &str, word: &str) -> Result<(), Unexpected> {
        for expected in rest.chars() {
            let context = format!("in literal {word} (expecting {})", quote(expected));
            let found = self.next_inside(&context);
            if found.0 != expected {
                return Err(Some(found));
            }
        }
        Ok(())
    }
}

fn quote(found: char) -> String {
    match found {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => {
            let quoted = crate::gostd::strconv::quote(&other.to_string());
            let inner = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            format!("'{}'", inner.unwrap_or_default())
        }
    }
}
