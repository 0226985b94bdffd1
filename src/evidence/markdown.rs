//! `card.md`: a card as people read it. Names and answers are escaped, so that they cannot change its structure.

use std::fmt::Write;

use super::answers::{CardQuestion, CardTopic};
use super::facts::{CardFacts, FILES_LISTED};
use crate::gates::GateSeverity;
use crate::text::{percent, shown, thousands};

/// Features whose drift is listed; `drift.json` has all.
const DRIFT_LISTED: usize = 10;

/// The text of a card.
pub(super) fn page(facts: &CardFacts<'_>, questions: &[CardQuestion<'_>]) -> String {
    let mut page = CardPage { facts, questions, text: String::new() };
    page.head();
    page.purpose();
    page.soundness();
    page.data();
    page.outcomes();
    page.monitoring();
    page.limits();
    page.approval();
    page.open();
    page.text
}

struct CardPage<'a> {
    facts: &'a CardFacts<'a>,
    questions: &'a [CardQuestion<'a>],
    text: String,
}

impl CardPage<'_> {
    fn section(&mut self, title: &str) {
        let _ = write!(self.text, "\n## {title}\n");
    }

    fn paragraph(&mut self, text: &str) {
        let _ = write!(self.text, "\n{text}\n");
    }

    fn table(&mut self, header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) {
        let mut rows = rows.into_iter().peekable();
        if rows.peek().is_none() {
            return;
        }
        let rule = vec!["---"; header.len()];
        let _ = write!(self.text, "\n| {} |\n|{}|\n", header.join(" | "), rule.join("|"));
        for row in rows {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
    }

    fn question(&mut self, topic: CardTopic) {
        if let Some(question) = self.questions.iter().find(|question| question.topic == topic) {
            let text = question.text(self.facts.owner);
            let lines: Vec<String> = text.lines().map(escaped).collect();
            self.paragraph(&format!("**{}.** {}", question.title, lines.join("<br>")));
        }
    }

    fn head(&mut self) {
        let facts = self.facts;
        let _ = writeln!(self.text, "# Model card: {}", escaped(facts.job));
        let based_on = facts.based_on.map_or_else(|| "no version".into(), |version| format!("version {version}"));
        let rows = [
            ("as of", facts.as_of.to_owned()),
            (
                "owner",
                facts.owner.map_or_else(|| "Open question: who owns the model? (owner in [job])".into(), escaped),
            ),
            ("based on", based_on),
            ("customers", thousands(facts.rows)),
            ("segments", facts.segments.len().to_string()),
            ("gates", facts.tally()),
            ("labels, blake3", facts.labels_blake3.to_owned()),
        ];
        self.table(&["", ""], rows.map(|(name, value)| vec![name.to_owned(), value]));
        self.paragraph(&escaped(&facts.overview()));
        self.paragraph(
            "Figures are those of the run that made this version. What a run cannot know is a question to the owner, \
             which the section \\[card\\] of the job file answers. Headings follow the guidance on model risk management \
             of the United States' banking agencies of April 2026 (SR 26-2, OCC Bulletin 2026-13).",
        );
    }

    fn purpose(&mut self) {
        self.section("Purpose and use");
        use CardTopic::{Materiality, OutOfScope, Use, Users};
        [Users, Use, OutOfScope, Materiality].into_iter().for_each(|topic| self.question(topic));
    }

    fn soundness(&mut self) {
        let facts = self.facts;
        self.section("Conceptual soundness");
        self.paragraph(&escaped(&facts.method()));
        for part in &facts.model.parts {
            if facts.model.parts.len() > 1 {
                self.paragraph(&format!("Features of {}:", escaped(&part.name)));
            }
            let rows = part.preparation.columns.iter().map(|column| {
                let missing = column.seen.counts.missing() as f64 / part.rows.max(1) as f64;
                let missing = format!("{} ({})", percent(missing), column.missing);
                vec![escaped(&column.name), column.transform.name().to_owned(), column.scale.name().to_owned(), missing]
            });
            self.table(&["feature", "transform", "scale", "missing in the fit (policy)"], rows);
            if let Some(projection) = &part.preparation.projection {
                let n = projection.components.len();
                self.paragraph(&format!("{n} principal components are clustered in place of the features."));
            }
        }
        self.question(CardTopic::Alternatives);
    }

    fn data(&mut self) {
        let facts = self.facts;
        self.section("Data");
        let rows = facts.inputs.iter().take(FILES_LISTED);
        let rows = rows.map(|input| vec![escaped(&input.name), thousands(input.bytes), input.blake3.clone()]);
        self.table(&["file", "bytes", "blake3 of what was read"], rows);
        if facts.inputs.len() > FILES_LISTED {
            let more = facts.inputs.len() - FILES_LISTED;
            self.paragraph(&format!("{more} more files are listed in manifest.json."));
        }
        if !facts.left_out.is_empty() {
            self.paragraph("Columns that are not features:");
            self.table(&["column", "why"], facts.left_out.iter().map(|(name, why)| vec![escaped(name), escaped(why)]));
        }
    }

    fn outcomes(&mut self) {
        let facts = self.facts;
        self.section("Outcomes analysis");
        let rows = facts.segments.iter().zip(&facts.measures.segments).map(|(segment, measured)| {
            let before = segment.before.map_or_else(String::new, thousands);
            let retention = measured.retention.map_or_else(String::new, percent);
            let title = escaped(&segment.title());
            let (customers, share) = (thousands(segment.customers), percent(measured.share));
            vec![title, customers, share, before, segment.change(), retention, escaped(&segment.event)]
        });
        self.table(&["segment", "customers", "share", "before", "change", "retention", "event"], rows);
        facts.ended.iter().for_each(|line| self.paragraph(&escaped(line)));
        let rates = facts.profiled().flat_map(|(segment, group)| {
            group.outcomes.iter().map(move |outcome| {
                let interval =
                    outcome.interval.map_or_else(String::new, |[a, b]| format!("{} to {}", percent(a), percent(b)));
                let what = escaped(&format!("{} = {}", outcome.column, outcome.value));
                let rate = outcome.rate.map_or_else(String::new, percent);
                vec![escaped(&segment), what, thousands(outcome.known), rate, interval]
            })
        });
        self.table(&["segment", "outcome", "customers known", "rate", "95 % interval"], rates);
        self.question(CardTopic::Outcomes);
    }

    fn monitoring(&mut self) {
        let facts = self.facts;
        self.section("Ongoing monitoring");
        if let Some(moves) = facts.moves {
            let moved = moves.moved as f64 / moves.stayed.max(1) as f64;
            let mut text = format!(
                "{} customers stayed, {} came, {} left. {} ({} of those who stayed) moved to another segment.",
                thousands(moves.stayed),
                thousands(moves.came),
                thousands(moves.left),
                thousands(moves.moved),
                percent(moved)
            );
            if let Some(n) = moves.by_behaviour {
                let _ = write!(text, " {} changed their behaviour.", thousands(n));
            }
            if let Some(n) = moves.relabelled {
                let _ = write!(text, " The new definition relabelled {}.", thousands(n));
            }
            self.paragraph(&text);
        }
        if let (Some(now), Some(before)) = (facts.measures.inertia, facts.measures.inertia_before) {
            self.paragraph(&format!("Inertia per customer: {now:.4}; before: {before:.4}."));
        }
        let features = facts.measures.features.iter().take(DRIFT_LISTED);
        let figure = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.4}"));
        let drift = features.map(|feature| {
            let missing = feature.missing.map_or_else(String::new, percent);
            vec![escaped(&feature.name), figure(feature.w1), figure(feature.psi), missing]
        });
        self.table(&["feature", "shift in standard deviations", "stability index", "missing"], drift);
        if facts.measures.features.len() > DRIFT_LISTED {
            self.paragraph("All features are in drift.json.");
        }
        let gates = facts.gates.iter().map(|gate| {
            let severity = if gate.severity == GateSeverity::Error { "refuses" } else { "warns" };
            let outcome = if gate.passed { "holds" } else { "**broken**" };
            vec![escaped(&gate.text()), severity.to_owned(), outcome.to_owned()]
        });
        self.table(&["gate", "a breach", "outcome"], gates);
        if facts.gates.is_empty() {
            self.paragraph("The job has no gates.");
        }
        self.question(CardTopic::Monitoring);
    }

    fn limits(&mut self) {
        let facts = self.facts;
        self.section("Limitations");
        self.text.push('\n');
        for line in facts.limitations() {
            let _ = writeln!(self.text, "- {}", escaped(&line));
        }
        self.question(CardTopic::Limitations);
        self.question(CardTopic::Tradeoffs);
        let figure = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
        let rows = facts.fairness.iter().map(|found| {
            let (ratio, segment) = found.disparity.unzip();
            let feature = if found.is_feature { "yes" } else { "no" };
            let segment = segment.map_or_else(String::new, |number| escaped(&facts.segment(number)));
            vec![escaped(&found.column), feature.to_owned(), figure(found.cramers_v), figure(ratio), segment]
        });
        let header = ["protected attribute", "is a feature", "Cramer's V", "largest ratio of selection rates", "in"];
        self.table(&header, rows);
        self.question(CardTopic::Ethics);
    }

    fn approval(&mut self) {
        self.section("Validation and approval");
        let rule = match self.facts.needs_approval {
            true => "The job requires that somebody approves a version before it is published.",
            false => "The job publishes a version that no gate refuses; no approval is required.",
        };
        self.paragraph(&format!(
            "{rule} Who decided what is in the log of the history, with the hash of the version that was looked at (hyades \
             history show). hyades history verify compares all files with their hashes."
        ));
        self.question(CardTopic::Validation);
    }

    fn open(&mut self) {
        self.section("Open questions");
        let owner = escaped(self.facts.owner.unwrap_or("no owner is named in the job"));
        let open = self.questions.iter().filter(|question| question.answer.is_none());
        let rows: Vec<_> =
            open.map(|question| vec![question.ask.to_owned(), owner.clone(), format!("`{}`", question.key)]).collect();
        if rows.is_empty() {
            self.paragraph("None.");
        }
        self.table(&["question", "who answers", "key in \\[card\\]"], rows);
    }
}

/// Text without a meaning in Markdown or HTML, in one line.
fn escaped(text: &str) -> String {
    let text = shown(text);
    let mut out = String::with_capacity(text.len());
    let letters: Vec<char> = text.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        let is_letter = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|c| c.is_alphanumeric());
        // Inside a word, an underscore has no meaning.
        let is_plain = letter == '_' && is_letter(at.checked_sub(1)) && is_letter(Some(at + 1));
        if "\\`*_{}[]<>#|!~&".contains(letter) && !is_plain {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_has_no_meaning_in_markdown() {
        assert_eq!(escaped("card_spend_90d"), "card_spend_90d");
        assert_eq!(escaped("_a_ | <b> [c](d)\n# e"), "\\_a\\_ \\| \\<b\\> \\[c\\](d)\\\\n\\# e");
    }
}
