//! Why transactions were left out.

/// Transactions that were left out, each counted under the first of these reasons that applies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Another currency, or none.
    pub other_currency: u64,
    /// No customer.
    pub no_customer: u64,
    /// No time.
    pub no_time: u64,
    /// No amount, or one of its factors missing.
    pub no_amount: u64,
    /// An amount that is NaN, infinite, above 1e290 or below -1e290.
    pub not_finite: u64,
    /// No transaction name, if a column of names was given.
    pub no_transaction: u64,
    /// At the reference date or after it.
    pub after_reference: u64,
    /// Before the window.
    pub before_window: u64,
}

impl LeftOut {
    pub(super) fn add(&mut self, other: &LeftOut) {
        self.other_currency += other.other_currency;
        self.no_customer += other.no_customer;
        self.no_time += other.no_time;
        self.no_amount += other.no_amount;
        self.not_finite += other.not_finite;
        self.no_transaction += other.no_transaction;
        self.after_reference += other.after_reference;
        self.before_window += other.before_window;
    }

    /// The reasons that applied, in words.
    pub fn reasons(&self) -> Vec<(u64, &'static str)> {
        let all = [
            (self.other_currency, "of another currency"),
            (self.no_customer, "without a customer"),
            (self.no_time, "without a time"),
            (self.no_amount, "without an amount"),
            (self.not_finite, "with an amount that is NaN or infinite"),
            (self.no_transaction, "without a transaction's name"),
            (self.after_reference, "at the reference date or after it"),
            (self.before_window, "before the window"),
        ];
        all.into_iter().filter(|(rows, _)| *rows > 0).collect()
    }

    /// Only those whose data is incomplete rather than unwanted.
    pub(super) fn incomplete(&self) -> LeftOut {
        LeftOut {
            no_time: self.no_time,
            no_amount: self.no_amount,
            not_finite: self.not_finite,
            no_transaction: self.no_transaction,
            ..LeftOut::default()
        }
    }
}
