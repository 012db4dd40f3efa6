//! A table whose rows stand below the policies they were played with.

use comfy_table::{LineStyle, Row, Table, TableStyle};

/// Nothing between rows: each is one line, so that policies can stand between any two.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─'));

/// The names of the columns, and the line below them.
const HEADER_LINES: usize = 2;

/// Draws rows, each with its policies; neighbours with the same policies share one heading, which
/// goes across all columns.
pub(super) fn table<'p, const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = (&'p str, [String; N])>,
) -> String {
    let mut table = Table::new();
    table.load_style(STYLE).set_header(header);
    if let Some(first) = table.column_mut(0) {
        first.set_padding((2, 1));
    }
    let mut headings = Vec::new();
    for (policies, cells) in rows {
        let mut row = Row::from(cells);
        row.max_height(1);
        table.add_row(row);
        headings.push(policies);
    }
    let mut drawn = table.lines();
    let mut lines: Vec<String> = drawn.by_ref().take(HEADER_LINES).collect();
    let mut above = None;
    for (line, policies) in drawn.zip(headings) {
        if above.replace(policies) != Some(policies) {
            lines.push(policies.to_owned());
        }
        lines.push(line);
    }
    let trimmed: Vec<&str> = lines.iter().map(|line| line.trim_end()).collect();
    trimmed.join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn policies_stand_once_and_rows_are_one_line_each() {
        let cells = |cells: [&str; 3]| cells.map(str::to_owned);
        let drawn = super::table(
            ["a", "bc", ""],
            [
                ("both Off, and more", cells(["1", "22", "ok"])),
                ("both Off, and more", cells(["four", "5\n6", "ok"])),
                ("one On", cells(["7", "", "no"])),
            ],
        );
        let expected = [
            "  a     bc",
            "───────────────",
            "both Off, and more",
            "  1     22  ok",
            "  four  5…  ok",
            "one On",
            "  7         no",
        ];
        assert_eq!(drawn.lines().collect::<Vec<_>>(), expected);
    }
}
