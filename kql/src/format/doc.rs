//! A small pretty-printer: a document says where lines may break, the printer decides.

/// Lines are broken so that they stay within this many characters where they can.
const WIDTH: usize = 100;

const INDENT: usize = 4;

/// Text with its possible line breaks.
pub(super) enum Doc<'q> {
    Text(&'q str),
    /// One blank, dropped at the ends of lines
    Space,
    /// A blank, or a line break if the group around it does not fit
    Line,
    /// Nothing, or a line break if the group around it does not fit
    Soft,
    /// Always a line break
    Hard,
    /// Always an empty line
    Blank,
    /// A comment on lines of its own
    Comment(&'q str),
    /// A comment behind what stands on the line
    Trailing(&'q str),
    Concat(Vec<Doc<'q>>),
    Indent(Box<Doc<'q>>),
    /// On one line if it fits
    Group {
        inner: Box<Doc<'q>>,
        is_broken: bool,
    },
    /// As many as fit on each line
    Fill(Vec<Doc<'q>>),
}

impl<'q> Doc<'q> {
    pub(super) fn group(inner: Doc<'q>) -> Doc<'q> {
        let is_broken = inner.must_break(true);
        Doc::Group { inner: Box::new(inner), is_broken }
    }

    /// A group that is broken whether it fits or not.
    pub(super) fn broken(inner: Doc<'q>) -> Doc<'q> {
        Doc::Group { inner: Box::new(inner), is_broken: true }
    }

    pub(super) fn indent(inner: Doc<'q>) -> Doc<'q> {
        Doc::Indent(Box::new(inner))
    }

    pub(super) fn nothing() -> Doc<'q> {
        Doc::Concat(Vec::new())
    }

    /// Whether this cannot stand on one line. A comment at the very end does no harm.
    fn must_break(&self, is_last: bool) -> bool {
        match self {
            Doc::Hard | Doc::Blank | Doc::Comment(_) => true,
            Doc::Trailing(_) => !is_last,
            Doc::Concat(parts) | Doc::Fill(parts) => {
                parts.iter().enumerate().any(|(at, part)| part.must_break(is_last && at + 1 == parts.len()))
            }
            Doc::Indent(inner) => inner.must_break(is_last),
            Doc::Group { inner, is_broken } => *is_broken || inner.must_break(is_last),
            Doc::Text(_) | Doc::Space | Doc::Line | Doc::Soft => false,
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Flat,
    Broken,
}

type Task<'d, 'q> = (usize, Mode, &'d Doc<'q>);

/// Lays the document out.
pub(super) fn print(doc: &Doc<'_>) -> String {
    let mut printer = Printer::default();
    let mut tasks: Vec<Task<'_, '_>> = vec![(0, Mode::Broken, doc)];
    while let Some((indent, mode, doc)) = tasks.pop() {
        match doc {
            Doc::Text(text) => printer.text(text, indent),
            Doc::Space => printer.space = true,
            Doc::Line if mode == Mode::Flat => printer.space = true,
            Doc::Soft if mode == Mode::Flat => {}
            Doc::Line | Doc::Soft | Doc::Hard => printer.newline(indent),
            Doc::Blank => printer.blank_line(indent),
            Doc::Comment(text) => printer.comment(text, indent),
            Doc::Trailing(text) => printer.trailing(text, indent),
            Doc::Concat(parts) => tasks.extend(parts.iter().rev().map(|part| (indent, mode, part))),
            Doc::Indent(inner) => tasks.push((indent + INDENT, mode, inner)),
            Doc::Group { inner, is_broken } => {
                let is_flat = !is_broken && (mode == Mode::Flat || fits(printer.room(), inner, &tasks));
                tasks.push((indent, if is_flat { Mode::Flat } else { Mode::Broken }, inner));
            }
            Doc::Fill(items) if mode == Mode::Flat => {
                for (at, item) in items.iter().enumerate().rev() {
                    tasks.push((indent, mode, item));
                    if at > 0 {
                        tasks.push((indent, mode, &Doc::Space));
                    }
                }
            }
            Doc::Fill(items) => fill(items, indent, &mut printer),
        }
    }
    printer.out
}

/// Items of a fill are short and flat: each goes on the line if there is room.
fn fill<'d, 'q>(items: &'d [Doc<'q>], indent: usize, printer: &mut Printer) {
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            if fits(printer.room().saturating_sub(1), item, &[]) {
                printer.space = true;
            } else {
                printer.newline(indent);
            }
        }
        let mut tasks: Vec<Task<'d, 'q>> = vec![(indent, Mode::Flat, item)];
        while let Some((indent, mode, doc)) = tasks.pop() {
            match doc {
                Doc::Text(text) => printer.text(text, indent),
                Doc::Space | Doc::Line => printer.space = true,
                Doc::Soft => {}
                Doc::Hard | Doc::Blank => printer.newline(indent),
                Doc::Comment(text) => printer.comment(text, indent),
                Doc::Trailing(text) => printer.trailing(text, indent),
                Doc::Concat(parts) | Doc::Fill(parts) => {
                    tasks.extend(parts.iter().rev().map(|part| (indent, mode, part)));
                }
                Doc::Indent(inner) | Doc::Group { inner, .. } => tasks.push((indent, mode, inner)),
            }
        }
    }
}

/// Whether `first` on one line, and what follows it up to the next possible break, stay within `room`.
fn fits(room: usize, first: &Doc<'_>, rest: &[Task<'_, '_>]) -> bool {
    let mut room = room;
    let mut rest = rest.iter().rev();
    let mut tasks = vec![(Mode::Flat, first)];
    loop {
        let (mode, doc) = match tasks.pop() {
            Some(task) => task,
            None => match rest.next() {
                Some((_, mode, doc)) => (*mode, *doc),
                None => return true,
            },
        };
        let used = match doc {
            Doc::Text(text) => match text.split_once('\n') {
                Some((line, _)) => return line.chars().count() <= room,
                None => text.chars().count(),
            },
            Doc::Space => 1,
            Doc::Line | Doc::Soft if mode == Mode::Broken => return true,
            Doc::Line => 1,
            Doc::Soft => 0,
            Doc::Hard | Doc::Blank | Doc::Comment(_) | Doc::Trailing(_) => return true,
            Doc::Concat(parts) => {
                tasks.extend(parts.iter().rev().map(|part| (mode, part)));
                0
            }
            Doc::Fill(items) => {
                tasks.extend(items.iter().rev().map(|item| (Mode::Flat, item)));
                items.len().saturating_sub(1)
            }
            Doc::Indent(inner) => {
                tasks.push((mode, inner));
                0
            }
            Doc::Group { inner, is_broken } => {
                tasks.push((if *is_broken { Mode::Broken } else { Mode::Flat }, inner));
                0
            }
        };
        match room.checked_sub(used) {
            Some(left) => room = left,
            None => return false,
        }
    }
}

#[derive(Default)]
struct Printer {
    out: String,
    column: usize,
    /// A blank is due before the next text.
    space: bool,
    /// A comment stands on the line: nothing may follow it.
    must_end_line: bool,
}

impl Printer {
    fn room(&self) -> usize {
        WIDTH.saturating_sub(self.column + usize::from(self.space))
    }

    fn is_at_line_start(&self) -> bool {
        self.out.is_empty() || self.out.ends_with('\n')
    }

    fn text(&mut self, text: &str, indent: usize) {
        if self.must_end_line {
            self.newline(indent);
        }
        if self.is_at_line_start() {
            self.out.extend(std::iter::repeat_n(' ', indent));
            self.column = indent;
        } else if self.space {
            self.out.push(' ');
            self.column += 1;
        }
        self.space = false;
        self.out.push_str(text);
        self.column = match text.rsplit_once('\n') {
            Some((_, line)) => line.chars().count(),
            None => self.column + text.chars().count(),
        };
    }

    /// A comment on a line of its own.
    fn comment(&mut self, text: &str, indent: usize) {
        self.newline(indent);
        self.text(text, indent);
        self.must_end_line = true;
        self.column = indent;
    }

    /// A comment behind what stands on the line.
    fn trailing(&mut self, text: &str, indent: usize) {
        self.space = true;
        self.text(text, indent);
        self.must_end_line = true;
        self.column = indent;
    }

    /// Ends the line, unless nothing stands on it.
    fn newline(&mut self, indent: usize) {
        if !self.is_at_line_start() {
            self.out.push('\n');
        }
        self.column = indent;
        self.space = false;
        self.must_end_line = false;
    }

    fn blank_line(&mut self, indent: usize) {
        self.newline(indent);
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }
}
