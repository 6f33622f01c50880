//! Options of which exactly one out of two is to be given.

use std::fmt;

use crate::usage::Usage;

/// The one of two that was given.
pub(crate) enum Either<A, B> {
    Left(A),
    Right(B),
}

/// An option of which exactly one out of two is to be given.
#[derive(Clone, Copy)]
pub(crate) struct Named {
    flag: &'static str,
    variable: &'static str,
}

pub(crate) const PORT: Named = Named { flag: "--port N", variable: "BACKEND_PORT" };
pub(crate) const BACKEND: Named = Named { flag: "--backend URL", variable: "BACKEND_URL" };
pub(crate) const TOKEN: Named = Named { flag: "--token JWT", variable: "TELEPHONE_TOKEN" };
pub(crate) const TOKEN_FILE: Named = Named { flag: "--token-file PATH", variable: "TELEPHONE_TOKEN_FILE" };

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.flag, self.variable)
    }
}

/// The one that was given. A flag overrules the other one's variable ([`Naming::rivals`]), so that an image's variables can
/// be overruled; two flags, or two variables, contradict each other.
///
/// [`Naming::rivals`]: crate::variables::Naming
pub(crate) fn either<A, B>(
    left: Named,
    right: Named,
    a: Option<A>,
    b: Option<B>,
) -> Result<Either<A, B>, Usage> {
    match (a, b) {
        (Some(a), None) => Ok(Either::Left(a)),
        (None, Some(b)) => Ok(Either::Right(b)),
        (Some(_), Some(_)) => {
            Err(Usage::new(left.flag, format!("it contradicts {right}; give one of the two")))
        }
        (None, None) => Err(Usage::new(&left.to_string(), format!("it is missing; give it or {right}"))),
    }
}
