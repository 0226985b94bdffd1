//! The transform of a fitted column: a transform of single values, or one with fitted parameters.

use crate::prepare::recipe::Transform;
use crate::prepare::transform::FittedTransform;

/// The transform of a column. One that is fitted comes with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnTransform {
    /// Nothing.
    None,
    /// `ln(1 + x)`.
    Log1p,
    /// `sign(x) ln(1 + |x|)`.
    SignedLog1p,
    /// The square root.
    Sqrt,
    /// With parameters that were fitted to the whole column.
    Fitted(FittedTransform),
}

impl ColumnTransform {
    /// A chosen transform with what was fitted for it. A column with a single value has no parameters: it stays as it
    /// landed.
    pub(crate) fn new(chosen: Transform, fitted: Option<FittedTransform>) -> Self {
        match (fitted, chosen.landing()) {
            (Some(fitted), _) => ColumnTransform::Fitted(fitted),
            (None, Transform::Log1p) => ColumnTransform::Log1p,
            (None, Transform::SignedLog1p) => ColumnTransform::SignedLog1p,
            (None, Transform::Sqrt) => ColumnTransform::Sqrt,
            (None, _) => ColumnTransform::None,
        }
    }

    /// The transform and its parameters, as a model stores them.
    ///
    /// # Errors
    /// Parameters that do not belong to the transform, and those that it lacks.
    pub(super) fn from_parts(
        transform: Transform,
        lambda: Option<f64>,
        landmarks: Option<Vec<f64>>,
    ) -> Result<Self, String> {
        let fitted = match (transform, lambda, landmarks) {
            (Transform::YeoJohnson, Some(lambda), None) if lambda.is_finite() => {
                Some(FittedTransform::YeoJohnson(lambda))
            }
            (Transform::YeoJohnson, ..) => return Err("transform yeo-johnson needs lambda, a finite number".into()),
            (Transform::Quantile, None, Some(landmarks))
                if landmarks.len() > 1 && landmarks.iter().all(|l| l.is_finite()) =>
            {
                Some(FittedTransform::Quantile(landmarks))
            }
            (Transform::Quantile, ..) => {
                return Err("transform quantile needs landmarks, two or more finite numbers".into());
            }
            (Transform::Auto, ..) => return Err("transform auto is not a fitted transform".into()),
            (_, None, None) => None,
            _ => return Err(format!("transform {} has no lambda and no landmarks", transform.name())),
        };
        Ok(ColumnTransform::new(transform, fitted))
    }

    /// The transform, `lambda` and `landmarks`, as a model stores them.
    pub(super) fn into_parts(self) -> (Transform, Option<f64>, Option<Vec<f64>>) {
        let kind = self.kind();
        match self {
            ColumnTransform::Fitted(FittedTransform::YeoJohnson(lambda)) => (kind, Some(lambda), None),
            ColumnTransform::Fitted(FittedTransform::Quantile(landmarks)) => (kind, None, Some(landmarks)),
            _ => (kind, None, None),
        }
    }

    /// The choice of a recipe that it comes from; never `auto`.
    pub fn kind(&self) -> Transform {
        match self {
            ColumnTransform::None => Transform::None,
            ColumnTransform::Log1p => Transform::Log1p,
            ColumnTransform::SignedLog1p => Transform::SignedLog1p,
            ColumnTransform::Sqrt => Transform::Sqrt,
            ColumnTransform::Fitted(FittedTransform::YeoJohnson(_)) => Transform::YeoJohnson,
            ColumnTransform::Fitted(FittedTransform::Quantile(_)) => Transform::Quantile,
        }
    }

    /// The name in flags, recipes and models.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The part that is fitted to the whole column. It applies to landed values with the origin added.
    pub(crate) fn fitted(&self) -> Option<&FittedTransform> {
        match self {
            ColumnTransform::Fitted(fitted) => Some(fitted),
            _ => None,
        }
    }
}
