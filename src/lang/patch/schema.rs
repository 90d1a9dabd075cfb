//! The shapes of Kubernetes' own kinds, as structured merge sees them: what is a list keyed by which fields, what is replaced as a whole.
//!
//! `schema.txt` holds them, taken from the OpenAPI v3 documents of kube-apiserver 1.36 (`x-kubernetes-list-type`, `-list-map-keys`,
//! `-map-type`, `-patch-strategy`); a live test compares it with what a server says, and writes it. Of other kinds (custom resources) only
//! `metadata` is known: their maps merge field by field and their lists count as atomic, as a definition has them that says nothing.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// The table: lines `apiVersion kind type`, an empty line, lines `type shape`.
///
/// A shape is `$` a string, `#` a number, `?` a boolean, `~` any scalar, `*` anything, `%` anything as a whole; `[T]` an atomic list,
/// `[=:T]` a set, `[k,l:T]` a list keyed by fields; `<T>` a map; `{fT g=dT}` fields, `=d` with the default of a key, behind the shape;
/// `!` before a map or fields: as a whole, `+`: field by field; `@T` the type of that name, `@!T` the same as a whole.
pub const KIND_SHAPES: &str = include_str!("schema.txt");

/// A scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    String,
    Number,
    Bool,
    Any,
}

/// A list.
#[derive(Clone, Debug)]
pub(super) struct List {
    pub(super) items: Shape,
    pub(super) relation: Relation,
}

/// How the items of two lists belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// They do not: a list is replaced as a whole.
    Atomic,
    /// By value.
    Set,
    /// By the values of fields.
    Keyed(Vec<Box<str>>),
}

/// A map or a struct.
#[derive(Clone, Debug)]
pub(super) struct Map {
    pub(super) fields: BTreeMap<Box<str>, Field>,
    /// The shape of other fields; `None`: there are none.
    pub(super) others: Option<Shape>,
    pub(super) is_atomic: bool,
}

/// A declared field.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) shape: Shape,
    /// What a key is that is not there.
    pub(super) default: Option<Value>,
}

/// What a value may be.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Scalar(Scalar),
    List(Box<List>),
    Map(Box<Map>),
    /// A type of the table, and whether it is one piece here whatever it says itself.
    Named(Box<str>, Option<bool>),
    /// Any value: maps merge, lists do not.
    Anything,
    /// Any value, as a whole.
    Whole,
    /// A value of a kind that is not in the table.
    Unknown,
}

/// A shape with its names resolved.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resolved<'s> {
    Scalar(Scalar),
    List(&'s List),
    Map { map: &'s Map, is_atomic: bool },
    Anything,
    Whole,
    Unknown,
}

/// The shape of one kind's objects.
#[derive(Clone, Debug)]
pub(crate) struct Shapes {
    pub(super) root: Shape,
}

#[derive(Debug, Default)]
struct Table {
    kinds: BTreeMap<(&'static str, &'static str), &'static str>,
    types: BTreeMap<&'static str, Shape>,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::parse);

impl Table {
    fn parse() -> Self {
        let (kinds, types) = KIND_SHAPES.split_once("\n\n").unwrap_or_default();
        let kinds = kinds.lines().filter_map(|line| {
            let mut words = line.split(' ');
            Some(((words.next()?, words.next()?), words.next()?))
        });
        let types = types.lines().filter_map(|line| {
            let (name, text) = line.split_once(' ')?;
            let mut parser = Parser { rest: text };
            let shape = parser.shape().filter(|_| parser.rest.is_empty())?;
            Some((name, shape))
        });
        Self { kinds: kinds.collect(), types: types.collect() }
    }
}

impl Shapes {
    /// The shape of a kind; that of custom resources if the table has none.
    pub(crate) fn of(api_version: &str, kind: &str) -> Self {
        let known = TABLE.kinds.get(&(api_version, kind)).filter(|name| TABLE.types.contains_key(*name));
        let root = match known {
            Some(name) => Shape::Named((*name).into(), None),
            None => custom_resource(),
        };
        Self { root }
    }
}

fn custom_resource() -> Shape {
    let field = |shape: Shape| Field { shape, default: None };
    let fields = [
        ("apiVersion", Shape::Scalar(Scalar::String)),
        ("kind", Shape::Scalar(Scalar::String)),
        ("metadata", Shape::Named("meta.v1.ObjectMeta".into(), None)),
    ];
    Shape::Map(Box::new(Map {
        fields: fields.into_iter().map(|(name, shape)| (name.into(), field(shape))).collect(),
        others: Some(Shape::Unknown),
        is_atomic: false,
    }))
}

impl Shape {
    /// What the shape is. Every named type is there: a test asks for all of them.
    pub(super) fn resolve(&self) -> Resolved<'_> {
        match self {
            Self::Scalar(scalar) => Resolved::Scalar(*scalar),
            Self::List(list) => Resolved::List(list),
            Self::Map(map) => Resolved::Map { map, is_atomic: map.is_atomic },
            Self::Named(name, is_whole) => match (TABLE.types.get(&**name).map(Self::resolve), is_whole) {
                (Some(Resolved::Map { map, .. }), Some(is_atomic)) => {
                    Resolved::Map { map, is_atomic: *is_atomic }
                }
                (Some(resolved), _) => resolved,
                (None, _) => Resolved::Unknown,
            },
            Self::Anything => Resolved::Anything,
            Self::Whole => Resolved::Whole,
            Self::Unknown => Resolved::Unknown,
        }
    }
}

/// The names of types that shapes refer to and that the table does not have; for tests.
#[cfg(test)]
pub(super) fn dangling() -> Vec<String> {
    fn visit(shape: &Shape, missing: &mut Vec<String>) {
        match shape {
            Shape::List(list) => visit(&list.items, missing),
            Shape::Map(map) => {
                map.fields.values().for_each(|field| visit(&field.shape, missing));
                map.others.iter().for_each(|others| visit(others, missing));
            }
            Shape::Named(name, _) if !TABLE.types.contains_key(&**name) => missing.push(name.to_string()),
            _ => {}
        }
    }
    let mut missing = Vec::new();
    TABLE.types.values().for_each(|shape| visit(shape, &mut missing));
    missing.extend(
        TABLE.kinds.values().filter(|name| !TABLE.types.contains_key(*name)).map(ToString::to_string),
    );
    missing
}

/// How many kinds and types the table has; for tests.
#[cfg(test)]
pub(super) fn counts() -> (usize, usize) {
    (TABLE.kinds.len(), TABLE.types.len())
}

/// Reads shapes.
struct Parser {
    rest: &'static str,
}

impl Parser {
    fn take(&mut self, token: char) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// The characters of a name.
    fn word(&mut self) -> &'static str {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        word
    }

    fn shape(&mut self) -> Option<Shape> {
        for (token, shape) in [
            ('$', Shape::Scalar(Scalar::String)),
            ('#', Shape::Scalar(Scalar::Number)),
            ('?', Shape::Scalar(Scalar::Bool)),
            ('~', Shape::Scalar(Scalar::Any)),
            ('*', Shape::Anything),
            ('%', Shape::Whole),
        ] {
            if self.take(token) {
                return Some(shape);
            }
        }
        if self.take('@') {
            let is_whole = self.relation();
            return Some(Shape::Named(self.word().into(), is_whole));
        }
        if self.take('[') {
            return self.list();
        }
        let is_atomic = self.relation() == Some(true);
        let mut map = Map { fields: BTreeMap::new(), others: None, is_atomic };
        if self.take('<') {
            map.others = Some(self.shape()?);
            return self.take('>').then(|| Shape::Map(Box::new(map)));
        }
        if !self.take('{') {
            return None;
        }
        while !self.take('}') {
            let name = self.word();
            let shape = self.shape()?;
            let default = if self.take('=') { Some(self.json()?) } else { None };
            map.fields.insert(name.into(), Field { shape, default });
            self.take(' ');
        }
        Some(Shape::Map(Box::new(map)))
    }

    fn relation(&mut self) -> Option<bool> {
        if self.take('!') { Some(true) } else { self.take('+').then_some(false) }
    }

    fn list(&mut self) -> Option<Shape> {
        let relation = match self.rest.split_once(':') {
            Some((keys, rest))
                if keys.bytes().all(|b| b.is_ascii_alphanumeric() || b == b',' || b == b'=') =>
            {
                self.rest = rest;
                if keys == "=" {
                    Relation::Set
                } else {
                    Relation::Keyed(keys.split(',').map(Box::from).collect())
                }
            }
            _ => Relation::Atomic,
        };
        let items = self.shape()?;
        self.take(']').then(|| Shape::List(Box::new(List { items, relation })))
    }

    /// A string without escapes, or a number.
    fn json(&mut self) -> Option<Value> {
        let end = self.rest.find([' ', '}'])?;
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        serde_json::from_str(text).ok()
    }
}
