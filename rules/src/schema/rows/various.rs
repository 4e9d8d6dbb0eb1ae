//! Fields of small classes that this build does not extract. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! various_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
known {
    Util {
        ~ UtilCnt "util.cnt" U64 None One Plain [HIDDEN] "A number that grows by one each time it is asked for.";
    }
    FdList {
        ~ FdlistNums "fdlist.nums" Text None One Plain [] "Descriptors that poll was asked about, joined by commas.";
        ~ FdlistNames "fdlist.names" Text None One Plain [] "Names of the descriptors that poll was asked about, joined by commas.";
        ~ FdlistCips "fdlist.cips" Text None One Plain [] "Client addresses of the descriptors that poll was asked about, joined by commas.";
        ~ FdlistSips "fdlist.sips" Text None One Plain [] "Server addresses of the descriptors that poll was asked about, joined by commas.";
        ~ FdlistCports "fdlist.cports" Text None One Plain [] "Client ports of the descriptors that poll was asked about, joined by commas.";
        ~ FdlistSports "fdlist.sports" Text None One Plain [] "Server ports of the descriptors that poll was asked about, joined by commas.";
    }
    Static {
        ~ Static "static" Text StaticKey One Plain [SUGGESTED] "A constant of the configuration (static_fields): static.region.";
    }
}
        } }
    };
}
