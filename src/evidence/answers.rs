//! What only people know of a model: questions, and the answers of the job file.

use crate::job::CardOptions;

/// The part of a card that a question belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CardTopic {
    Users,
    Use,
    OutOfScope,
    Materiality,
    Alternatives,
    Limitations,
    Tradeoffs,
    Ethics,
    Outcomes,
    Monitoring,
    Validation,
}

/// A question, and its answer if there is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct CardQuestion<'a> {
    pub(super) topic: CardTopic,
    /// Its key in `[card]`.
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) ask: &'static str,
    pub(super) answer: Option<&'a str>,
}

/// Topic, key, title and question, in the order of a card.
const ALL: [(CardTopic, &str, &str, &str); 11] = [
    (CardTopic::Users, "users", "Users", "Who uses the segments?"),
    (CardTopic::Use, "intended_use", "Intended use", "Which decisions do the segments inform?"),
    (CardTopic::OutOfScope, "out_of_scope", "Out of scope", "What must the segments not be used for?"),
    (
        CardTopic::Materiality,
        "materiality",
        "Materiality",
        "How material is the model, by exposure and purpose, and who rated it?",
    ),
    (
        CardTopic::Alternatives,
        "alternatives",
        "Alternatives",
        "Which other features, methods and numbers of segments were considered, and why were they not chosen?",
    ),
    (
        CardTopic::Outcomes,
        "outcomes",
        "Results of decisions",
        "What came of decisions that followed earlier versions, such as campaigns?",
    ),
    (
        CardTopic::Monitoring,
        "monitoring",
        "Responsibility",
        "Who looks at gates and drift every month, and what follows from a breach?",
    ),
    (CardTopic::Limitations, "limitations", "Further limitations", "Which other limitations must users know?"),
    (CardTopic::Tradeoffs, "tradeoffs", "Trade-offs", "What was given up for what?"),
    (
        CardTopic::Ethics,
        "ethical",
        "Fair treatment",
        "Who could be treated unfairly by decisions that follow the segments, and what prevents it?",
    ),
    (
        CardTopic::Validation,
        "validation",
        "Independent validation",
        "Who validated the model independently of its developers, when, and with which result?",
    ),
];

/// All questions, with the answers that there are.
pub(super) fn questions(answers: &CardOptions) -> Vec<CardQuestion<'_>> {
    let answer = |topic: CardTopic| {
        let answer = match topic {
            CardTopic::Users => &answers.users,
            CardTopic::Use => &answers.intended_use,
            CardTopic::OutOfScope => &answers.out_of_scope,
            CardTopic::Materiality => &answers.materiality,
            CardTopic::Alternatives => &answers.alternatives,
            CardTopic::Outcomes => &answers.outcomes,
            CardTopic::Monitoring => &answers.monitoring,
            CardTopic::Limitations => &answers.limitations,
            CardTopic::Tradeoffs => &answers.tradeoffs,
            CardTopic::Ethics => &answers.ethical,
            CardTopic::Validation => &answers.validation,
        };
        answer.as_deref().map(str::trim).filter(|answer| !answer.is_empty())
    };
    ALL.map(|(topic, key, title, ask)| CardQuestion { topic, key, title, ask, answer: answer(topic) }).to_vec()
}

impl CardQuestion<'_> {
    /// The answer, or the question with who is to answer it.
    pub(super) fn text(&self, owner: Option<&str>) -> String {
        match self.answer {
            Some(answer) => answer.to_owned(),
            None => {
                format!("Open question: {} (answer: {})", self.ask, owner.unwrap_or("no owner is named in the job"))
            }
        }
    }
}
