//! Commands to paste into another terminal.

use std::net::SocketAddr;
use std::path::Path;

use crate::http::TOKEN_VARIABLE;

/// What the commands depend on.
pub(crate) struct Situation<'a> {
    pub(crate) app: SocketAddr,
    /// Nothing needs a token.
    pub(crate) is_open: bool,
    /// This program, if the products that the orders name have not been loaded.
    pub(crate) seed_with: Option<&'a Path>,
    pub(crate) redis_cli: String,
    /// The variable that redis-cli takes the password from, if it needs one.
    pub(crate) password_variable: Option<&'a str>,
}

/// An order that succeeds, one that is refunded, and a look at both.
pub(crate) fn example_commands(situation: &Situation<'_>) -> String {
    let Situation {
        app,
        is_open,
        seed_with,
        redis_cli,
        password_variable,
    } = situation;
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
    let seed = seed_with.map_or_else(String::new, |program| {
        format!(
            "The demo products, which the orders name:\n\n  {} seed --app {app}\n\n",
            program.display()
        )
    });
    let password = password_variable.map_or_else(String::new, |name| format!(", with Redis's password in {name}"));
    format!(
        "
To paste in another terminal. {seed}An order that succeeds:

  {paid}

One for more than is in stock, which is refunded as a whole:

  {refunded}

See both:

  curl -s {app}/store/orders/$paid; echo
  curl -s {app}/store/orders/$refunded; echo

The streams between the services{password}:

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
        let mut situation = Situation {
            app: "127.0.0.1:3000".parse().unwrap(),
            is_open: false,
            seed_with: None,
            redis_cli: "redis-cli -p 6379".to_owned(),
            password_variable: None,
        };
        assert!(example_commands(&situation).contains("Bearer $SPIN_VARIABLE_API_TOKEN\" "));
        situation.is_open = true;
        let commands = example_commands(&situation);
        assert!(!commands.contains("Bearer") && !commands.contains(" seed ") && !commands.contains("password"));
        assert!(commands.contains("curl -s 127.0.0.1:3000/store/orders "));
        for id in ["espresso-cup", "milk-jug", "hand-grinder"] {
            assert!(commands.contains(id) && PRODUCTS.contains(&format!("\"{id}\"")), "{id}");
        }
        situation.seed_with = Some(Path::new("/bin/devhost"));
        situation.password_variable = Some("REDISCLI_AUTH");
        let commands = example_commands(&situation);
        let seed = commands.find("\n  /bin/devhost seed --app 127.0.0.1:3000\n").unwrap();
        assert!(seed < commands.find("/store/orders").unwrap());
        assert!(commands.contains("with Redis's password in REDISCLI_AUTH:\n"));
    }
}
