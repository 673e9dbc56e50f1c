//! Commands to paste into another terminal.

use std::net::SocketAddr;

use crate::http::TOKEN_VARIABLE;

/// An order that succeeds, one that is refunded, and a look at both. `is_open`: without a token.
pub(crate) fn example_commands(app: SocketAddr, is_open: bool, redis_cli: &str) -> String {
    let token = match is_open {
        true => String::new(),
        false => format!("-H \"authorization: Bearer ${TOKEN_VARIABLE}\" "),
    };
    let order = |variable: &str, lines: &str| {
        format!(
            "{variable}=$(curl -s {app}/store/orders -H 'content-type: application/json' {token}\\\n    \
             -d '{{\"customer_id\":\"ada\",\"lines\":[{lines}]}}' | sed 's/.*\"order_id\":\"\\([^\"]*\\)\".*/\\1/')"
        )
    };
    let paid = order(
        "paid",
        r#"{"product_id":"espresso-cup","qty":2},{"product_id":"milk-jug","qty":1}"#,
    );
    let refunded = order(
        "refunded",
        r#"{"product_id":"espresso-cup","qty":1},{"product_id":"hand-grinder","qty":500}"#,
    );
    format!(
        "
To paste in another terminal. An order that succeeds:

  {paid}

One for more than is in stock, which is refunded as a whole:

  {refunded}

See both:

  curl -s {app}/store/orders/$paid; echo
  curl -s {app}/store/orders/$refunded; echo

The streams between the services:

  {redis_cli} -n 0 XINFO GROUPS order-placed
  {redis_cli} -n 0 XREVRANGE order-completed + - COUNT 2
  {redis_cli} -n 1 XREVRANGE refund-order + - COUNT 2
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::products::PRODUCTS;

    #[test]
    fn orders_name_demo_products_and_carry_the_token_where_one_is_wanted() {
        let app = "127.0.0.1:3000".parse().unwrap();
        assert!(example_commands(app, false, "redis-cli").contains("Bearer $SPIN_VARIABLE_API_TOKEN\" "));
        let commands = example_commands(app, true, "redis-cli");
        assert!(!commands.contains("Bearer"));
        assert!(commands.contains("curl -s 127.0.0.1:3000/store/orders "));
        for id in ["espresso-cup", "milk-jug", "hand-grinder"] {
            assert!(commands.contains(id) && PRODUCTS.contains(&format!("\"{id}\"")), "{id}");
        }
    }
}
