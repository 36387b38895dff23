//! Prints the public API that rustdoc's JSON tells of, an item a line, grouped by type.
//!
//! What an item above already says is left out, so that a change shows as the few lines it is: the
//! methods of the traits of other crates, and that a type is `Send`, `Sync` and `Unpin` without
//! conditions. That it is not is a line: `impl !Send for …`.
//!
//! usage: resil-api FILE

use std::process::ExitCode;

use public_api::Builder;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: resil-api FILE");
        return ExitCode::from(2);
    };
    let api = match Builder::from_rustdoc_json(path).omit_blanket_impls(true).build() {
        Ok(api) => api,
        Err(error) => {
            eprintln!("resil-api: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut foreign = None;
    for item in api.items() {
        let item = item.to_string();
        if item.starts_with("impl") {
            foreign = type_of_foreign_trait(&item);
        } else if !item.starts_with("pub fn ") && !item.starts_with("pub type ") {
            foreign = None;
        }
        let known = foreign.as_deref().is_some_and(|of| is_method(&item, of));
        if !known && !goes_without_saying(&item) {
            println!("{item}");
        }
    }
    ExitCode::SUCCESS
}

/// The type for which `item` begins an implementation of another crate's trait: its methods are known.
fn type_of_foreign_trait(item: &str) -> Option<String> {
    let (before, of) = item.split_once(" for ")?;
    let name = before.rsplit(' ').next().unwrap_or(before);
    let end = of.find(['<', ' ']).unwrap_or(of.len());
    if name.starts_with("resil_") { None } else { Some(of[..end].to_owned()) }
}

/// Whether `item` is a method of the type `of`, and no function that comes after it.
fn is_method(item: &str, of: &str) -> bool {
    let path = item.strip_prefix("pub fn ").and_then(|path| path.strip_prefix(of));
    path.is_some_and(|rest| rest.starts_with(['<', ':']))
}

/// Whether `item` is what every type here is, or what only the compiler needs to know.
fn goes_without_saying(item: &str) -> bool {
    const OF_THE_COMPILER: [&str; 5] = [
        "marker::Freeze",
        "marker::UnsafeUnpin",
        "marker::StructuralPartialEq",
        "::UnwindSafe",
        "::RefUnwindSafe",
    ];
    const AUTO: [&str; 3] = ["core::marker::Send", "core::marker::Sync", "core::marker::Unpin"];
    let of_trait = |name: &str| item.starts_with("impl") && item.contains(&format!("{name} for "));
    OF_THE_COMPILER.into_iter().any(of_trait)
        || AUTO.into_iter().any(|name| {
            of_trait(name) && !item.contains(&format!("!{name}")) && !item.contains(" where ")
        })
}
