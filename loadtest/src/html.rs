pub fn page(_report: &crate::report::Report) -> String { String::new() }
