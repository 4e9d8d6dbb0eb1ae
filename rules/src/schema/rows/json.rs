//! The fields of the `json` plugin. Facts of falcosecurity/libs; the descriptions are ours.

macro_rules! json_rows {
    ($next:ident $($then:ident)* { $($done:tt)* }) => {
        $next! { $($then)* { $($done)*
known {
    Json {
        ~ JsonValue "json.value" Text RequiredKey One Plain [] "Value at a JSON pointer in the event: json.value[/a/b].";
        ~ JsonObj "json.obj" Text None One Plain [] "The whole event as indented JSON.";
        ~ JsonRawtime "json.rawtime" Text None One Plain [] "Time of the event in nanoseconds since the epoch, as text.";
        ~ JevtValue "jevt.value" Text RequiredKey One Plain [] "As json.value, under its old name.";
        ~ JevtObj "jevt.obj" Text None One Plain [] "As json.obj, under its old name.";
        ~ JevtRawtime "jevt.rawtime" Text None One Plain [] "As json.rawtime, under its old name.";
    }
}
        } }
    };
}
