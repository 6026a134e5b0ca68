//! Parsed PromQL expressions.

use std::collections::BTreeSet;
use std::convert::Infallible;

use promql_parser::parser::{BinaryExpr, Expr, ParenExpr, parse};
use promql_parser::util::{ExprVisitor, walk_expr};

/// Parses an expression. Fails if it is not valid.
#[track_caller]
pub fn parsed(expression: &str) -> Expr {
    parse(expression).unwrap_or_else(|error| panic!("{error}: {expression}"))
}

/// Returns the metrics in an expression.
pub fn metrics(expression: &Expr) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl ExprVisitor for Names {
        type Error = Infallible;

        fn pre_visit(&mut self, expression: &Expr) -> Result<bool, Infallible> {
            match expression {
                Expr::VectorSelector(selector) => self.0.extend(selector.name.clone()),
                Expr::MatrixSelector(selector) => self.0.extend(selector.vs.name.clone()),
                _ => {}
            }
            Ok(true)
        }
    }
    let mut names = Names(BTreeSet::new());
    match walk_expr(&mut names, expression) {
        Ok(_) => names.0,
        Err(never) => match never {},
    }
}

/// Returns the measured sides of the comparisons of an alert. They have values while the alert does not fire, too.
pub fn measured(condition: &Expr) -> Vec<String> {
    match condition {
        Expr::Paren(ParenExpr { expr }) => measured(expr),
        Expr::Binary(BinaryExpr { op, lhs, rhs, .. }) if op.is_set_operator() => {
            [measured(lhs), measured(rhs)].concat()
        }
        Expr::Binary(BinaryExpr { op, lhs, .. }) if op.is_comparison_operator() => vec![lhs.to_string()],
        _ => panic!("an alert without a comparison: {condition}"),
    }
}

#[test]
fn the_measured_sides_and_metrics_of_an_alert_are_found() {
    let condition = parsed("(a > 1 and sum by (x) (b) / (c > 0) >= 2) or rate(d[1m]) < 3");
    assert_eq!(measured(&condition), ["a", "sum by (x) (b) / (c > 0)", "rate(d[1m])"]);
    assert_eq!(metrics(&condition), ["a", "b", "c", "d"].map(String::from).into());
}
