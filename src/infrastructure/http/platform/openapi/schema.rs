//! Schemas that several descriptions use.

use std::collections::BTreeMap;

use utoipa::Number;
use utoipa::ToSchema;
use utoipa::openapi::schema::{ArrayBuilder, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

/// Schemas by name.
pub type Schemas = BTreeMap<String, RefOr<Schema>>;

/// Returns a reference to the schema of a type, by its name.
pub fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}

/// Returns the schema of a type and of all types that it refers to.
pub fn schemas_of<T: ToSchema>() -> Schemas {
    let mut used = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut used);
    used.into_iter().collect()
}

/// Returns the schema of any text.
pub fn text() -> Schema {
    ObjectBuilder::new().schema_type(Type::String).into()
}

/// Returns the schema of a text with at least this many and at most this many characters.
pub fn text_of(min: usize, max: usize) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(min)).max_length(Some(max))
}

/// Returns the schema of an integer from 1.
pub fn positive() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1))
}

/// Returns the schema of an integer from 1 to `max`.
pub fn up_to(max: impl Into<Number>) -> Object {
    positive().maximum(Some(max)).build()
}

/// Returns the schema of a list of at least one value of this type.
pub fn list_of<T: ToSchema>() -> ArrayBuilder {
    ArrayBuilder::new().items(reference::<T>()).min_items(Some(1))
}
