//! `*`, `**` and `?` in locations.

/// The part in front of the first pattern letter, up to its last `/`, and the whole as a pattern; `None`: it is a name.
pub(super) fn split(path: &str) -> Option<(&str, &str)> {
    let first = path.find(['*', '?'])?;
    let folder = path[..first].rfind('/').map_or(0, |at| at + 1);
    Some((&path[..folder], path))
}

/// Does the name match? `*` and `?` stay within a folder, `**` does not.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // Row by row over the pattern: which begins of the name it has matched so far. No pattern takes exponential time.
    let mut reached = vec![false; name.len() + 1];
    reached[0] = true;
    let mut at = 0;
    while at < pattern.len() {
        let mut next = vec![false; name.len() + 1];
        let is_deep = pattern[at] == '*' && pattern.get(at + 1) == Some(&'*');
        match pattern[at] {
            '*' => {
                let mut open = false;
                for (place, now) in next.iter_mut().enumerate() {
                    open |= reached[place];
                    *now = open;
                    open &= is_deep || name.get(place) != Some(&'/');
                }
            }
            letter => {
                for (place, actual) in name.iter().enumerate() {
                    let fits = *actual == letter || (letter == '?' && *actual != '/');
                    next[place + 1] = reached[place] && fits;
                }
            }
        }
        reached = next;
        at += if is_deep { 2 } else { 1 };
    }
    reached[name.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, wanted) in [
            ("a/*.json", "a/b.json", true),
            ("a/*.json", "a/b/c.json", false),
            ("a/**.json", "a/b/c.json", true),
            ("a/**/c.json", "a/b/x/c.json", true),
            ("a/?.json", "a/b.json", true),
            ("a/?.json", "a//.json", false),
            ("*", "", true),
            ("**", "a//b", true),
            ("é*", "éclair", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        }
        assert!(!matches(&"*a".repeat(50), &"a".repeat(40)));
        assert_eq!(split("x/y/a*b/c"), Some(("x/y/", "x/y/a*b/c")));
        assert_eq!(split("*.json"), Some(("", "*.json")));
        assert_eq!(split("x/y"), None);
    }
}
