//! Tables as comma-separated values.

/// One line of comma-separated values; a cell with a comma, a quote or a line break is quoted. A text that a spreadsheet
/// would run as a formula (it begins with `=`, `+`, `-`, `@`, a tab or a line break) gets an apostrophe before it.
pub fn csv_line(cells: &[&str]) -> String {
    let quoted = cells.iter().map(|cell| {
        let runs = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) && cell.parse::<f64>().is_err();
        let cell = if runs { format!("'{cell}") } else { (*cell).to_owned() };
        if cell.contains([',', '"', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
    });
    quoted.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::csv_line;

    #[test]
    fn cells_with_commas_and_quotes_are_quoted() {
        assert_eq!(csv_line(&["a", "b,c", "say \"d\""]), "a,\"b,c\",\"say \"\"d\"\"\"");
    }

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers() {
        assert_eq!(csv_line(&["-1.5e-3", "+2", "-inf", "a=b"]), "-1.5e-3,+2,-inf,a=b");
        assert_eq!(csv_line(&["=1+1", "@SUM(A1)", "-a", "+b", "\tc"]), "'=1+1,'@SUM(A1),'-a,'+b,'\tc");
        assert_eq!(csv_line(&["=HYPERLINK(\"x\",\"y\")", "\r=1"]), "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\",\"'\r=1\"");
    }
}
