//! The report: `profile.json`.

use serde::{Deserialize, Serialize};

use super::shown::{ColumnRole, ShownKind};

/// What is true of every segment and of all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfileReport {
    /// The version of this shape: 2.
    pub profile_version: u32,
    /// Rows of the input.
    pub rows: u64,
    /// Always false: every row counts once, whatever its weight.
    pub weighted: bool,
    /// How order statistics were found.
    pub quantiles: QuantileKind,
    /// Segments of fewer customers have no figures.
    pub small_cells: u64,
    /// blake3 of the labels as little-endian i32 in row order, -1 for rows without a segment.
    pub labels_blake3: String,
    /// The columns, in the order of every list of figures.
    pub columns: Vec<ProfiledColumn>,
    /// Columns that say whether a customer holds a product, in the order of every list of products.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<String>,
    /// Pairs of columns that say nearly the same: correlations above 0.9, of values or of ranks.
    pub correlated: Vec<Correlated>,
    /// Where customers and segments are on a map; None with fewer than two numeric features or three segments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub map: Option<SegmentMap>,
    /// All rows.
    pub all: GroupProfile,
    /// Every segment, by number; then the rows without one, if there are any.
    pub segments: Vec<GroupProfile>,
}

/// How order statistics were found.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuantileKind {
    /// From the values, interpolated as DuckDB's `quantile_cont`.
    Exact,
    /// From counts of buckets: the values between which they are interpolated have at most this relative error.
    RelativeError(f64),
}

/// A column of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProfiledColumn {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    pub data_type: String,
    /// How its values are described.
    pub kind: ShownKind,
    /// Why it is shown.
    pub role: ColumnRole,
    /// Numbers that count as missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_codes: Vec<f64>,
    /// Standard deviation of all values (that of the population); None for categories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// The share of its variance that lies between the segments: eta squared. Of categories, Goodman and Kruskal's tau.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eta_squared: Option<f64>,
    /// Whether the median describes it better than the mean: they are apart by more than a quarter of the
    /// interquartile range.
    #[serde(default)]
    pub skewed: bool,
    /// The most common values of a category, in the order of the counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// A map of customers, on the two directions in which the segments differ most. Features enter as ranks, with mean 0
/// and deviation 1; a missing value is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentMap {
    /// Customers that were drawn for it, by the number of their row.
    pub rows: u64,
    /// The features, in the order of the loads.
    pub columns: Vec<String>,
    /// The loads of each axis, a vector of length 1: across, up.
    pub axes: [Vec<f64>; 2],
    /// The mean of every segment, by number; None of fewer customers than `small_cells`.
    pub spots: Vec<Option<[f64; 2]>>,
    /// The lowest and the highest place of each axis that the cells reach.
    pub frame: [[f64; 2]; 2],
    /// How many cells there are, across and up.
    pub grid: [u32; 2],
    /// Cells with customers; not those of fewer than `small_cells`.
    pub cells: Vec<MapCell>,
}

/// A cell of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct MapCell {
    /// From the left, from 0.
    pub across: u32,
    /// From below, from 0.
    pub up: u32,
    /// Customers in it.
    pub customers: u64,
}

/// Two columns that say nearly the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Correlated {
    /// Their names.
    pub columns: [String; 2],
    /// The coefficient of their values or of their ranks, whichever is stronger.
    pub r: f64,
}

/// What is true of some rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupProfile {
    /// The segment; None for all rows, and for rows without a segment.
    pub segment: Option<u32>,
    /// Its name, if segments have names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A name made of what sets it apart; None where figures are withheld.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proposed_name: Option<ProposedName>,
    /// Rows.
    pub customers: u64,
    /// Their share of all rows.
    pub share: f64,
    /// Whether figures are left out because there are too few customers, here or in the segment whose figures would
    /// follow from these.
    #[serde(default)]
    pub withheld: bool,
    /// By column; empty where they are withheld.
    pub columns: Vec<ColumnFigures>,
    /// What sets it apart from all rows, the largest effect first; at most three columns.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<Mark>,
    /// Rates of the outcomes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcomes: Vec<OutcomeRate>,
    /// How many hold each product.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub products: Vec<ProductFigures>,
    /// Products that are held together, the largest lift first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<ProductPair>,
    /// How stable it is: the mean Jaccard index of fits of resampled customers (`fit --stability`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stability: Option<f64>,
    /// A short rule that tells it from the others; None without a page, where figures are withheld, and where no short
    /// rule was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<GroupRule>,
}

/// A rule of a segment, as a sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupRule {
    /// The name of the part of the bank whose customers it tells apart; None: all customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
    /// The conditions of which any one is enough, the most common first; empty if there are not several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<RuleAlternative>,
    /// How well it holds; None: the file of rules of the job has it, and it defines the segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<RuleFigures>,
}

/// Conditions that a customer meets together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleAlternative {
    /// In English.
    pub en: String,
    /// In Chinese.
    pub zh: String,
}

/// How well a rule tells a segment, counted on all rows of the part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleFigures {
    /// Customers that it tells, of any segment.
    pub told: u64,
    /// Those of them who are of the segment.
    pub right: u64,
    /// The share of `told` that is of the segment; None where it tells nobody.
    pub precision: Option<f64>,
    /// The share of the segment's customers that it tells.
    pub recall: Option<f64>,
}

/// A name that the program proposes: at most 20 characters, and no other segment has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedName {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// One thing that sets a segment apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// The column.
    pub column: String,
    /// What is compared.
    #[serde(flatten)]
    pub statistic: Statistic,
    /// Its value in the segment.
    pub here: f64,
    /// Its value over all rows.
    pub all: f64,
    /// The difference in units of spread; of shares, Cohen's h.
    pub effect: f64,
    /// The difference in standard deviations of as many rows drawn at random.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<f64>,
}

/// A statistic that is compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "statistic", content = "value")]
pub enum Statistic {
    /// The mean.
    Mean,
    /// The median.
    Median,
    /// The share of true values.
    ShareTrue,
    /// The share of values that are not 0.
    ShareNotZero,
    /// The share of missing values.
    ShareMissing,
    /// The share of one category.
    ShareOf(String),
}

/// The figures of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnFigures {
    /// Numbers, booleans as 0 and 1, dates in days since 1970-01-01.
    Numbers(NumberFigures),
    /// Categories.
    Categories(CategoryFigures),
}

/// Figures of numbers. Values that are null or not finite are missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberFigures {
    /// Values that are not missing.
    pub known: u64,
    /// Share of rows whose value is missing.
    pub missing_share: Option<f64>,
    /// Mean.
    pub mean: Option<f64>,
    /// Standard deviation (that of the population).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// The value below which 5 % lie.
    pub p5: Option<f64>,
    /// The first quartile.
    pub p25: Option<f64>,
    /// The median.
    pub median: Option<f64>,
    /// The third quartile.
    pub p75: Option<f64>,
    /// The value below which 95 % lie.
    pub p95: Option<f64>,
    /// The median's interval at 95 %; None of fewer than 30 values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub median_interval: Option<[f64; 2]>,
    /// Share of the known values that are not 0.
    pub non_zero_share: Option<f64>,
    /// Beside all rows; None of these themselves, and without values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<NumberComparison>,
}

/// Numbers of a segment beside those of all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberComparison {
    /// Cohen's d: the difference of the means in standard deviations of all rows. Of booleans, Cohen's h.
    pub effect: Option<f64>,
    /// Cohen's h of the share of values that are not 0; None of booleans.
    pub non_zero_effect: Option<f64>,
    /// The test value: the difference of the means in standard deviations of the mean of as many rows drawn at random.
    pub v: Option<f64>,
    /// 100 times the median over that of all if the column is skewed, else of the means; 100 is average. None of fewer
    /// than 30 values or less than 1 % of all, of dates, and where values are negative.
    pub index: Option<f64>,
    /// Its interval at 95 %, the centre of all rows taken as known.
    pub index_interval: Option<[f64; 2]>,
}

/// Counts of categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryFigures {
    /// Rows by category, in the order of the column's `categories`.
    pub counts: Vec<u64>,
    /// Rows of other categories.
    pub others: u64,
    /// Rows whose value is missing.
    pub missing: u64,
    /// By category, beside all rows; none of these themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<CategoryComparison>,
}

/// A category in a segment beside all rows. Shares are of the rows whose value is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CategoryComparison {
    /// Its share.
    pub share: f64,
    /// The share over that of all rows.
    pub lift: Option<f64>,
    /// The lift's interval at 95 % (Wilson's of the share, the share of all taken as known); None of fewer than 30 rows
    /// or less than 1 % of all.
    pub lift_interval: Option<[f64; 2]>,
    /// Cohen's h.
    pub effect: f64,
    /// The test value: the normal deviate with the hypergeometric mid-p of the count.
    pub v: Option<f64>,
}

/// How many customers hold a product. A product is held where the value is neither missing nor 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductFigures {
    /// Customers who hold it.
    pub holders: u64,
    /// Their share of the customers.
    pub penetration: Option<f64>,
    /// Wilson's interval of the share, at 95 %.
    pub interval: Option<[f64; 2]>,
    /// 100 times the share over that of all; None of fewer than 30 customers or less than 1 % of all.
    pub index: Option<f64>,
    /// How far the share is below that of the segment with the next larger one; None of the largest.
    pub gap: Option<f64>,
}

/// Two products that are held together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProductPair {
    /// The columns.
    pub products: [String; 2],
    /// Customers who hold both: at least 50.
    pub holders: u64,
    /// Their share over the product of the shares of each.
    pub lift: f64,
}

impl CategoryFigures {
    /// Rows whose value is not missing.
    pub fn known(&self) -> u64 {
        // An edited report may have more than u64 counts.
        self.counts.iter().fold(self.others, |sum, &n| sum.saturating_add(n))
    }
}

/// How often an outcome occurs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutcomeRate {
    /// The column.
    pub column: String,
    /// The value that is counted.
    pub value: String,
    /// Rows that have it.
    pub cases: u64,
    /// Rows whose outcome is known.
    pub known: u64,
    /// Cases among the known; None without any.
    pub rate: Option<f64>,
    /// Wilson's interval of the rate, at 95 %.
    pub interval: Option<[f64; 2]>,
    /// The rate divided by that of all rows.
    pub lift: Option<f64>,
}
