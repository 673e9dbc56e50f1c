//! The limits of the contract, and the checks that hold them. A check's error says what the value must be.

/// Length of an id, in characters.
pub const ID_CHARS_MAX: usize = 64;
/// Units in one order line or one movement.
pub const QTY_MAX: u32 = 1_000_000;
/// Lines in one order.
pub const ORDER_LINES_MAX: usize = 100;
/// Returns of one order.
pub const ORDER_RETURNS_MAX: usize = 1_000;
/// A product's price, in minor units.
pub const PRICE_MINOR_MAX: u64 = 1_000_000_000;
/// A product's name, in characters.
pub const NAME_CHARS_MAX: usize = 200;
/// A product's revision: as many digits as Lua keeps exact.
pub const REV_MAX: u64 = 999_999_999_999_999;
/// The largest integer that every JSON reader keeps exact.
pub const JSON_INTEGER_MAX: u64 = (1 << 53) - 1;

/// Whether a text is an id: 1 to 64 of `A-Z a-z 0-9 . _ -`, beginning with a letter or digit.
///
/// # Errors
/// What an id must look like.
pub fn check_id(id: &str) -> Result<(), String> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let begins_well = id.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins_well && id.len() <= ID_CHARS_MAX && id.bytes().all(legal) {
        Ok(())
    } else {
        Err(format!(
            "must be 1 to {ID_CHARS_MAX} of A-Z a-z 0-9 . _ - and begin with a letter or digit"
        ))
    }
}

/// Whether a quantity is 1 to [`QTY_MAX`].
///
/// # Errors
/// The range.
pub fn check_qty(qty: u32) -> Result<(), String> {
    if (1..=QTY_MAX).contains(&qty) {
        Ok(())
    } else {
        Err(format!("must be an integer from 1 to {QTY_MAX}, is {qty}"))
    }
}

/// Whether a revision is 0 to [`REV_MAX`].
///
/// # Errors
/// The range.
pub fn check_rev(rev: u64) -> Result<(), String> {
    if rev <= REV_MAX {
        Ok(())
    } else {
        Err(format!("must be an integer from 0 to {REV_MAX}, is {rev}"))
    }
}

/// Whether a price is 0 to [`PRICE_MINOR_MAX`].
///
/// # Errors
/// The range.
pub fn check_price(price_minor: u64) -> Result<(), String> {
    if price_minor <= PRICE_MINOR_MAX {
        Ok(())
    } else {
        Err(format!(
            "must be an integer from 0 to {PRICE_MINOR_MAX}, is {price_minor}"
        ))
    }
}

/// Whether a text looks like an ISO 4217 code: three capital letters.
///
/// # Errors
/// What a currency must look like.
pub fn check_currency(currency: &str) -> Result<(), String> {
    if currency.len() == 3 && currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(())
    } else {
        Err("must be a currency code of three capital letters, such as EUR".to_owned())
    }
}

/// Whether a name is 1 to [`NAME_CHARS_MAX`] characters without control characters.
///
/// # Errors
/// What a name must look like.
pub fn check_name(name: &str) -> Result<(), String> {
    let count = name.chars().count();
    if (1..=NAME_CHARS_MAX).contains(&count) && !name.trim().is_empty() && !name.chars().any(char::is_control) {
        Ok(())
    } else {
        Err(format!(
            "must be 1 to {NAME_CHARS_MAX} characters, not blank, without control characters"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        for good in ["a", "0", "espresso-cup", "A.b_c-9", &"x".repeat(64)] {
            assert_eq!(check_id(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a b", "a/b", "ä", "a\n", &"x".repeat(65)] {
            assert!(check_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn quantities() {
        assert!(check_qty(0).is_err());
        assert_eq!(check_qty(1), Ok(()));
        assert_eq!(check_qty(1_000_000), Ok(()));
        assert!(check_qty(1_000_001).is_err());
    }

    #[test]
    fn names() {
        assert_eq!(check_name("Ä cup"), Ok(()));
        for bad in ["", "  ", "a\nb", &"x".repeat(201)] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn currencies() {
        assert_eq!(check_currency("EUR"), Ok(()));
        for bad in ["", "eur", "EURO", "E1R"] {
            assert!(check_currency(bad).is_err(), "{bad:?}");
        }
    }
}
