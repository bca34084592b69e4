//! Who calls, and may they.

use gate::{Action, Principal, Subject};

use super::error::ApiError;

/// Asks the gate; refuses with 403.
pub fn allow(caller: &Principal, action: &Action, subject: &Subject<'_>) -> Result<(), ApiError> {
    if gate::may(caller, action, subject) {
        Ok(())
    } else {
        Err(ApiError::not_allowed("your role does not allow this"))
    }
}
