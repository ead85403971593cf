/// Rows of text in aligned columns that fit a width.
package struct Table: Sendable {
    package struct Column: Sendable {
        package enum Fit: Sendable {
            /// Never cut.
            case whole
            /// Cut, first where `priority` is lowest, but not below `least` columns; a path keeps its end.
            case cut(priority: Int, least: Int, keepingEnd: Bool)
        }
        package let title: String
        package let alignsRight: Bool
        package let fit: Fit

        package init(_ title: String, alignsRight: Bool = false, fit: Fit = .whole) {
            self.title = title
            self.alignsRight = alignsRight
            self.fit = fit
        }
    }

    package struct Cell: Sendable {
        package let text: String
        package let tint: Palette.Tint?

        package init(_ text: String, tint: Palette.Tint? = nil) {
            self.text = text
            self.tint = tint
        }
    }

    private let columns: [Column]
    private var rows: [[Cell]] = []
    private static let gap = 2

    package init(_ columns: [Column]) { self.columns = columns }

    /// Missing cells are empty; their text must already be fit to be shown.
    package mutating func append(_ cells: [Cell]) { rows.append(cells) }

    /// The lines, title first. `width` nil: nothing is cut.
    package func lines(width: Int?, palette: Palette) -> [String] {
        let titles = columns.map { Cell($0.title, tint: .faint) }
        let widths = fittedWidths([titles] + rows, width: width)
        return ([titles] + rows).map { cells in line(cells, widths, palette) }
    }

    private func fittedWidths(_ rows: [[Cell]], width: Int?) -> [Int] {
        var widths = columns.indices.map { index in
            rows.map { index < $0.count ? TextWidth.columns($0[index].text) : 0 }.max() ?? 0
        }
        guard let width else { return widths }
        var excess = widths.reduce(0, +) + Self.gap * max(0, widths.count - 1) - width
        let order = columns.indices.compactMap { index in
            if case .cut(let priority, let least, _) = columns[index].fit { (index, priority, least) } else { nil }
        }.sorted { $0.1 < $1.1 }
        for (index, _, least) in order where excess > 0 {
            let floor = max(least, TextWidth.columns(columns[index].title))
            let taken = min(excess, max(0, widths[index] - floor))
            widths[index] -= taken
            excess -= taken
        }
        return widths
    }

    private func line(_ cells: [Cell], _ widths: [Int], _ palette: Palette) -> String {
        var line = ""
        var pending = 0
        for (index, column) in columns.enumerated() {
            let cell = index < cells.count ? cells[index] : Cell("")
            let text =
                if case .cut(_, _, let keepingEnd) = column.fit {
                    TextWidth.cut(cell.text, to: widths[index], keepingEnd: keepingEnd)
                } else {
                    cell.text
                }
            let padding = max(0, widths[index] - TextWidth.columns(text))
            pending += column.alignsRight ? padding : 0
            // Spaces wait for text after them, so that no line ends with any.
            if !text.isEmpty {
                line += String(repeating: " ", count: pending) + palette.paint(text, cell.tint)
                pending = 0
            }
            pending += (column.alignsRight ? 0 : padding) + Self.gap
        }
        return line
    }
}
