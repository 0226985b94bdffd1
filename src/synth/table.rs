//! The table of a bank: which columns it has, and their values.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::bank::{Bank, Customers};
use super::business::BUSINESS;
use super::spec::SynthSpec;

pub(super) use crate::roles::TRUTH_COLUMN;

/// The name of the column of customer numbers.
pub(super) const ID_COLUMN: &str = "customer_id";

/// A bank, and the columns that are written of it: the id, features, columns of daily business, the planted segment.
#[derive(Debug)]
pub(super) struct BankTable {
    pub(super) bank: Bank,
    features: usize,
    business: usize,
    schema: SchemaRef,
}

impl BankTable {
    pub(super) fn new(spec: &SynthSpec) -> Self {
        let bank = Bank::new(spec);
        let mut fields = vec![Field::new(ID_COLUMN, DataType::Int64, false)];
        fields.extend(bank.fields());
        let business = if spec.business { &BUSINESS[..] } else { &[] };
        fields.extend(business.iter().map(|(name, column)| Field::new(*name, column.data_type(), false)));
        if spec.truth {
            fields.push(Field::new(TRUTH_COLUMN, DataType::Int32, false));
        }
        let schema = Arc::new(Schema::new(fields));
        BankTable { bank, features: spec.features, business: business.len(), schema }
    }

    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The values of column `index` of the schema.
    pub(super) fn array(&self, index: usize, customers: &Customers) -> ArrayRef {
        let bank = &self.bank;
        match index.checked_sub(1) {
            None => bank.ids(customers),
            Some(feature) if feature < self.features => bank.feature(feature, customers),
            Some(other) if other < self.features + self.business => {
                let index = other - self.features;
                BUSINESS[index].1.array(bank, index, customers)
            }
            Some(_) => bank.truth(customers),
        }
    }
}
