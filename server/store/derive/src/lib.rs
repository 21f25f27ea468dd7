//! `#[derive(Record)]`: a struct whose fields are the columns of a row, by
//! name. `#[record(flatten)]` on a field takes its columns from the same row.

use proc_macro::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Data, DeriveInput, Error, Fields, parse_macro_input};

/// Reads the struct from a row of either database.
///
/// Columns are found by the fields' names; a column in the field's own place is
/// found without a search.
#[proc_macro_derive(Record, attributes(record))]
pub fn record(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}

fn expand(input: &DeriveInput) -> Result<proc_macro2::TokenStream, Error> {
    let named = match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) => Ok(&fields.named),
            other => Err(Error::new(other.span(), "a row has named fields")),
        },
        _ => Err(Error::new(input.span(), "a row is a struct")),
    }?;
    // Inside the crate of the trait itself it is `crate`; others are not served.
    let store = format_ident!("crate");
    let mut reads = Vec::with_capacity(named.len());
    for field in named {
        let ident = field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "a field without a name"))?;
        let flatten = field.attrs.iter().any(|attr| attr.path().is_ident("record"));
        let name = ident.to_string();
        reads.push(if flatten {
            quote! { #ident: #store::record::Record::read(row, place)? }
        } else {
            quote! { #ident: #store::record::Source::named(row, place, #name)? }
        });
    }
    let ident = &input.ident;
    Ok(quote! {
        impl #store::record::Record for #ident {
            fn read<S: #store::record::Source>(row: &S, place: &mut usize) -> #store::Result<Self> {
                Ok(Self { #(#reads),* })
            }
        }
    })
}
