//! `spin:variables`: a component reads the variables of its own table only.

use wasmtime::component::{Accessor, HasData};

use super::bindings::variables::{Error, Host, HostWithStore};
use crate::app::{Component, check_name};

/// Gives the generated code access to the component of an instance.
pub(crate) struct VariablesHost;

impl HasData for VariablesHost {
    type Data<'a> = &'a Component;
}

impl Host for &Component {}

impl<T: Send> HostWithStore<T> for VariablesHost {
    async fn get(accessor: &Accessor<T, Self>, name: String) -> Result<String, Error> {
        check_name(&name).map_err(|reason| Error::InvalidName(format!("{name:?} {reason}")))?;
        accessor.with(|mut access| {
            let component = access.get();
            component
                .variables
                .get(&name)
                .cloned()
                .ok_or_else(|| Error::Undefined(format!("no variable for {:?}.{name:?}", component.id)))
        })
    }
}
