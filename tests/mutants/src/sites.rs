//! Where in a file mutants are, and what stands there instead.

use crate::Result;
use crate::list::{Genre, Mutant};
use proc_macro2::LineColumn;
use std::collections::HashMap;
use std::ops::Range;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// A place of the file with what may stand there: instead of the text in `range`, or before it, where that
/// is empty.
#[derive(Debug)]
pub struct Site {
    pub range: Range<usize>,
    pub kind: Kind,
    /// Mutant and its text.
    pub alternatives: Vec<(u32, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// At the beginning of a body: returns at once.
    Body,
    /// At the end of a pattern: the arm is not taken.
    Pattern,
    /// A guard as a whole: it may be an operation, which has alternatives of its own.
    Guard,
    /// An expression with others in its place.
    Expression,
}

/// The expressions of a file by where the mutants of a genre say that they are.
struct Nodes<'a> {
    text: &'a str,
    lines: Vec<usize>,
    found: HashMap<(Genre, LineColumn), Node>,
}

#[derive(Clone)]
enum Node {
    Binary {
        whole: Range<usize>,
        operator: Range<usize>,
    },
    Unary {
        whole: Range<usize>,
        operand: Range<usize>,
    },
    Arm {
        pattern: Range<usize>,
    },
    Whole(Range<usize>),
    /// `a && let …`, where the language allows no `||`, or an arm of a match whose `_` has a guard.
    Nowhere,
}

impl Nodes<'_> {
    fn offset(&self, at: LineColumn) -> usize {
        let line = self.lines[at.line - 1];
        let columns = self.text[line..].char_indices().map(|(offset, _)| offset).nth(at.column);
        line + columns.unwrap_or(self.text.len() - line)
    }

    fn range(&self, of: &impl Spanned) -> Range<usize> {
        let span = of.span();
        self.offset(span.start())..self.offset(span.end())
    }
}

fn has_let(expression: &syn::Expr) -> bool {
    match expression {
        syn::Expr::Let(_) => true,
        syn::Expr::Binary(binary) if matches!(binary.op, syn::BinOp::And(_)) => {
            has_let(&binary.left) || has_let(&binary.right)
        }
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Nodes<'_> {
    fn visit_expr_binary(&mut self, node: &'ast syn::ExprBinary) {
        let chain =
            matches!(node.op, syn::BinOp::And(_)) && (has_let(&node.left) || has_let(&node.right));
        let found = if chain {
            Node::Nowhere
        } else {
            Node::Binary { whole: self.range(node), operator: self.range(&node.op) }
        };
        self.found.insert((Genre::BinaryOperator, node.op.span().start()), found);
        visit::visit_expr_binary(self, node);
    }

    fn visit_expr_unary(&mut self, node: &'ast syn::ExprUnary) {
        let found = Node::Unary { whole: self.range(node), operand: self.range(&node.expr) };
        self.found.insert((Genre::UnaryOperator, node.op.span().start()), found);
        visit::visit_expr_unary(self, node);
    }

    fn visit_expr_match(&mut self, node: &'ast syn::ExprMatch) {
        let catches_all = node.arms.iter().any(|arm| matches!(arm.pat, syn::Pat::Wild(_)));
        for arm in &node.arms {
            let pattern = self.range(&arm.pat);
            let found = if catches_all { Node::Arm { pattern } } else { Node::Nowhere };
            self.found.insert((Genre::MatchArm, arm.span().start()), found);
        }
        visit::visit_expr_match(self, node);
    }

    fn visit_pat_guard(&mut self, node: &'ast syn::PatGuard) {
        let found = Node::Whole(self.range(&node.guard));
        self.found.insert((Genre::MatchArmGuard, node.guard.span().start()), found);
        visit::visit_pat_guard(self, node);
    }

    fn visit_expr_struct(&mut self, node: &'ast syn::ExprStruct) {
        for field in &node.fields {
            let found = Node::Whole(self.range(node));
            self.found.insert((Genre::StructField, field.span().start()), found);
        }
        visit::visit_expr_struct(self, node);
    }
}

/// The sites of a file and the mutants that have none.
pub fn sites(text: &str, mutants: &[&Mutant]) -> Result<(Vec<Site>, Vec<u32>)> {
    let starts = text.match_indices('\n').map(|(offset, _)| offset + 1);
    let lines = std::iter::once(0).chain(starts).collect();
    let mut nodes = Nodes { text, lines, found: HashMap::new() };
    nodes.visit_file(&syn::parse_file(text)?);

    let mut sites: HashMap<(usize, usize, Kind), Site> = HashMap::new();
    let mut without = Vec::new();
    for mutant in mutants {
        let Some((range, kind, alternative)) = alternative(&nodes, mutant)? else {
            without.push(mutant.number);
            continue;
        };
        let site = sites.entry((range.start, range.end, kind));
        let site = site.or_insert(Site { range, kind, alternatives: Vec::new() });
        site.alternatives.push((mutant.number, alternative));
    }
    let mut sites: Vec<Site> = sites.into_values().collect();
    // The outer one first, and before that what is put in before it.
    sites.sort_by_key(|site| {
        let Range { start, end } = site.range;
        (start, start != end, std::cmp::Reverse(end), site.kind)
    });
    Ok((sites, without))
}

fn alternative(nodes: &Nodes<'_>, mutant: &Mutant) -> Result<Option<(Range<usize>, Kind, String)>> {
    let text = nodes.text;
    if mutant.genre == Genre::FnValue {
        if mutant.opaque {
            return Ok(None);
        }
        let start = nodes.offset(mutant.start);
        return Ok(Some((start..start, Kind::Body, format!("return {}", mutant.replacement))));
    }
    let node = nodes.found.get(&(mutant.genre, mutant.start));
    Ok(match node.cloned().ok_or(format!("nothing is where this should be: {}", mutant.name))? {
        Node::Nowhere => None,
        Node::Binary { whole, operator } => {
            let (left, right) =
                (&text[whole.start..operator.start], &text[operator.end..whole.end]);
            Some((
                whole.clone(),
                Kind::Expression,
                format!("{left} {} {right}", mutant.replacement),
            ))
        }
        Node::Unary { whole, operand } => Some((whole, Kind::Expression, text[operand].to_owned())),
        Node::Arm { pattern } => Some((pattern.end..pattern.end, Kind::Pattern, String::new())),
        Node::Whole(whole) if mutant.genre == Genre::StructField => {
            let (before, after) = (nodes.offset(mutant.start), nodes.offset(mutant.end));
            let without = format!("{}{}", &text[whole.start..before], &text[after..whole.end]);
            Some((whole, Kind::Expression, without))
        }
        Node::Whole(whole) => Some((whole, Kind::Guard, mutant.replacement.clone())),
    })
}
