//! The one enum of all fields, made from the rows of every class, and the ways to find one.

use super::{ArgKind, Arity, Class, FieldInfo, FieldType, Format, flag};
use crate::error::closest;

/// Defines [`Field`], the fields of each family that this build extracts, and the table behind them.
/// A row: `+` (extracted) or `~`, variant, dotted name, type, argument, arity, format, flags, what it tells.
macro_rules! define_fields {
    ({
        $(family $family:ident $family_field:ident { $($class:ident { $(
            $(+ $x:ident)? $(~ $k:ident)?
            $name:literal $ty:ident $arg:ident $arity:ident $format:ident [$($flag:ident)*] $about:literal;
        )* })* })*
        $(known { $($known_class:ident { $(
            ~ $known:ident $known_name:literal $known_ty:ident $known_arg:ident $known_arity:ident
            $known_format:ident [$($known_flag:ident)*] $known_about:literal;
        )* })* })*
    }) => {
        /// A field of the schema; the variant is the dotted name in camel case.
        #[allow(
            rustdoc::broken_intra_doc_links,
            rustdoc::invalid_html_tags,
            reason = "descriptions are for a terminal: `<NA>` and `proc.aname[0]` mean themselves"
        )]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $($($( $(#[doc = $about] $x,)? $(#[doc = $about] $k,)? )*)*)*
            $($($( #[doc = $known_about] $known, )*)*)*
        }

        $(
            #[doc = concat!("The fields of [`Extracted::", stringify!($family), "`].")]
            #[allow(
                rustdoc::broken_intra_doc_links,
                rustdoc::invalid_html_tags,
                reason = "descriptions are for a terminal: `<NA>` and `proc.aname[0]` mean themselves"
            )]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub enum $family_field { $($( $(#[doc = $about] $x,)? )*)* }
        )*

        /// A field that this build extracts, by the part of an event that it is taken from. What extracts them matches
        /// without a catch-all arm, so that the schema and the extraction cannot differ.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Extracted {
            $(
                #[doc = concat!("See [`", stringify!($family_field), "`].")]
                $family($family_field),
            )*
        }

        static ROWS: &[Row] = &[
            $($($( Row {
                field: [$(Field::$x,)? $(Field::$k,)?][0],
                extracted: [$(Some(Extracted::$family($family_field::$x)),)? None][0],
                info: FieldInfo {
                    name: $name,
                    ty: FieldType::$ty,
                    arg: ArgKind::$arg,
                    arity: Arity::$arity,
                    format: Format::$format,
                    class: Class::$class,
                    about: $about,
                    flags: 0 $(| flag::$flag)*,
                },
            }, )*)*)*
            $($($( Row {
                field: Field::$known,
                extracted: None,
                info: FieldInfo {
                    name: $known_name,
                    ty: FieldType::$known_ty,
                    arg: ArgKind::$known_arg,
                    arity: Arity::$known_arity,
                    format: Format::$known_format,
                    class: Class::$known_class,
                    about: $known_about,
                    flags: 0 $(| flag::$known_flag)*,
                },
            }, )*)*)*
        ];
    };
}

struct Row {
    field: Field,
    extracted: Option<Extracted>,
    info: FieldInfo,
}

evt_rows! {
    process_rows user_rows fd_rows fs_path_rows fdlist_rows container_rows
    various_rows k8smeta_rows k8s_audit_rows json_rows
    define_fields {}
}

const N_FIELDS: usize = ROWS.len();

// `info` indexes the rows by discriminant.
const _: () = {
    let mut i = 0;
    while i < N_FIELDS {
        assert!(ROWS[i].field as usize == i);
        i += 1;
    }
};

/// Places in the rows, sorted by name.
static BY_NAME: [u16; N_FIELDS] = {
    let mut sorted = [0; N_FIELDS];
    let mut n = 0;
    while n < N_FIELDS {
        let mut at = n;
        while at > 0 && is_less(ROWS[n].info.name, ROWS[sorted[at - 1] as usize].info.name) {
            sorted[at] = sorted[at - 1];
            at -= 1;
        }
        sorted[at] = n as u16;
        n += 1;
    }
    sorted
};

const fn is_less(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
        i += 1;
    }
    a.len() < b.len()
}

impl Field {
    /// Every field, class by class.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.field)
    }

    /// The row of this field. O(1).
    #[must_use]
    pub fn info(self) -> &'static FieldInfo {
        &ROWS[self as usize].info
    }

    /// Dotted name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// How this build gets at the field's values in an event; `None` where it never has one. O(1).
    #[must_use]
    pub fn extracted(self) -> Option<Extracted> {
        ROWS[self as usize].extracted
    }

    /// Whether this build ever has a value for the field: from events, or from the configuration.
    #[must_use]
    pub fn is_extracted(self) -> bool {
        self.extracted().is_some() || self == Self::Static
    }

    /// The field with this dotted name. O(log fields).
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        let at = BY_NAME.binary_search_by(|&n| ROWS[n as usize].info.name.cmp(name)).ok()?;
        Some(ROWS[BY_NAME[at] as usize].field)
    }

    /// The name nearest to a misspelt one among the fields of a source, where one is near.
    #[must_use]
    pub fn closest_name(name: &str, source: &str) -> Option<&'static str> {
        let there = ROWS.iter().filter(|row| row.info.class.is_of(source));
        closest(name, there.filter(|row| !row.info.is_hidden()).map(|row| row.info.name))
    }
}
