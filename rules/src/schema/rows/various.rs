//! Fields of small classes that this build does not extract. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! various_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
known {
    Util {
        ~ UtilCnt "util.cnt" U64 None One Plain [HIDDEN] "A number that grows by one each time it is asked for.";
    }
    Static {
        ~ Static "static" Text StaticKey One Plain [SUGGESTED] "A constant of the configuration (static_fields): static.region.";
    }
}
        } }
    };
}
