//! Names of images, taken apart.

/// `repository[:tag][@digest]`; what a name lacks is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImageName<'a> {
    /// The name without its tag.
    pub repository: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// `sha256:...`
    pub digest: &'a str,
}

impl<'a> ImageName<'a> {
    /// Takes a name apart. A port of the registry is no tag; a bare digest is no repository.
    #[must_use]
    pub fn parse(name: &'a str) -> Self {
        if name.starts_with("sha256:") {
            return Self { digest: name, ..Self::default() };
        }
        let (rest, digest) = name.split_once('@').unwrap_or((name, ""));
        let after_host = rest.rfind('/').map_or(0, |at| at + 1);
        match rest[after_host..].rfind(':') {
            Some(at) => {
                let at = after_host + at;
                Self { repository: &rest[..at], tag: &rest[at + 1..], digest }
            }
            None => Self { repository: rest, tag: "", digest },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_names() {
        for (name, repository, tag, digest) in [
            ("nginx", "nginx", "", ""),
            ("nginx:1.25", "nginx", "1.25", ""),
            ("docker.io/library/nginx:1.25", "docker.io/library/nginx", "1.25", ""),
            ("registry:5000/a/b", "registry:5000/a/b", "", ""),
            ("registry:5000/a/b:v1@sha256:12", "registry:5000/a/b", "v1", "sha256:12"),
            ("localhost/x@sha256:12", "localhost/x", "", "sha256:12"),
            ("sha256:12", "", "", "sha256:12"),
            ("", "", "", ""),
            (":", "", "", ""),
            ("/:@", "/", "", ""),
        ] {
            assert_eq!(ImageName::parse(name), ImageName { repository, tag, digest }, "{name}");
        }
    }
}
