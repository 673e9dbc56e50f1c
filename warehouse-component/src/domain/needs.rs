//! The units that an order needs of each product.

use contracts::events::OrderLine;

/// Units of one product, over all lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub product_id: String,
    pub qty: u64,
}

/// Lines of the same product counted together, in the order of their first line.
#[must_use]
pub fn needs(lines: &[OrderLine]) -> Vec<Need> {
    let mut needs: Vec<Need> = Vec::with_capacity(lines.len());
    for line in lines {
        let qty = u64::from(line.qty);
        match needs.iter_mut().find(|need| need.product_id == line.product_id) {
            Some(need) => need.qty += qty,
            None => needs.push(Need {
                product_id: line.product_id.clone(),
                qty,
            }),
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_product_are_counted_together() {
        let line = |line_id, product_id: &str, qty| OrderLine {
            line_id,
            product_id: product_id.to_owned(),
            qty,
        };
        let needs = needs(&[line(1, "cup", 3), line(2, "pot", 1), line(3, "cup", 1_000_000)]);
        let needs: Vec<_> = needs.iter().map(|need| (&*need.product_id, need.qty)).collect();
        assert_eq!(needs, [("cup", 1_000_003), ("pot", 1)]);
    }
}
