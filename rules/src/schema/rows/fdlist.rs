//! The fields of `fdlist`. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! fdlist_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
family FdList FdListField {
    FdList {
        + FdlistNums "fdlist.nums" Text None One Plain [] "Descriptors that poll was asked about, joined by commas.";
        + FdlistNames "fdlist.names" Text None One Plain [] "Names of the descriptors that poll was asked about, joined by commas.";
        + FdlistCips "fdlist.cips" Text None One Plain [] "Client addresses of the descriptors that poll was asked about, joined by commas.";
        + FdlistSips "fdlist.sips" Text None One Plain [] "Server addresses of the descriptors that poll was asked about, joined by commas.";
        + FdlistCports "fdlist.cports" Text None One Plain [] "Client ports of the descriptors that poll was asked about, joined by commas.";
        + FdlistSports "fdlist.sports" Text None One Plain [] "Server ports of the descriptors that poll was asked about, joined by commas.";
    }
}
        } }
    };
}
