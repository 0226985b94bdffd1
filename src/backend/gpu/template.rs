//! Expands repeated lines of a shader: the lines between `//: each f of N` and `//: end` are repeated N times, with 0,
//! 1, ... N - 1 for `$f`. Blocks can be nested.

/// Expands `text`; `counts` maps the names of counts to their values. A missing name or end is a bug in a shader file;
/// the shader tests would report WGSL that does not parse.
pub(super) fn expand(text: &str, counts: &[(&str, usize)]) -> String {
    let mut out = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some((variable, times)) = line.strip_prefix("//: each ").and_then(|rest| rest.split_once(" of ")) else {
            out.extend([line, "\n"]);
            continue;
        };
        let body = block(&mut lines);
        let times = counts.iter().find(|(name, _)| *name == times).map_or(0, |(_, n)| *n);
        let (body, variable) = (expand(&body, counts), format!("${variable}"));
        out.extend((0..times).map(|i| body.replace(&variable, &i.to_string())));
    }
    out
}

/// The lines up to the end of a block.
fn block(lines: &mut std::str::Lines<'_>) -> String {
    let (mut body, mut depth) = (String::new(), 1);
    for line in lines {
        depth = match line {
            "//: end" => depth - 1,
            _ if line.starts_with("//: each ") => depth + 1,
            _ => depth,
        };
        if depth == 0 {
            break;
        }
        body.extend([line, "\n"]);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::expand;

    #[test]
    fn blocks_repeat_within_blocks() {
        let text = "a\n//: each f of N\nx$f\n//: each q of M\ny$f_$q\n//: end\n//: end\nb\n";
        assert_eq!(expand(text, &[("N", 2), ("M", 2)]), "a\nx0\ny0_0\ny0_1\nx1\ny1_0\ny1_1\nb\n");
        assert_eq!(expand(text, &[("N", 0), ("M", 9)]), "a\nb\n");
    }
}
