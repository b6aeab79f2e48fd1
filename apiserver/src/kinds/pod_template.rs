//! PodTemplate.

use api::field::{FieldErrors, Path};
use k8s_openapi::api::core::v1::{PodSpec, PodTemplate};

use crate::kinds::facts::Flags;
use crate::kinds::kind::{Column, Kind};
use crate::kinds::pod_spec::{defaults, rules, warnings};
use crate::kinds::table::{self, name_column};

impl Kind for PodTemplate {
    const FLAGS: Flags = Flags { returns_deleted: true, counts_generations: true, ..Flags::USUAL };
    const COLUMNS: &'static [Column<Self>] = &[
        name_column(),
        Column::new("Containers", "string", table::CONTAINERS, |template, _| table::containers(spec(template)).into()),
        Column::new("Images", "string", table::IMAGES, |template, _| table::images(spec(template)).into()),
        Column::new("Pod Labels", "string", "Labels of the pods that are made of it.", |template, _| {
            let metadata = template.template.as_ref().and_then(|template| template.metadata.as_ref());
            table::pairs(metadata.and_then(|metadata| metadata.labels.as_ref())).into()
        }),
    ];

    fn fill_defaults(&mut self) {
        defaults::fill_template(self.template.get_or_insert_default());
    }

    fn validate(&self, errors: &mut FieldErrors) {
        rules::validate_any_template(&self.template.clone().unwrap_or_default(), &Path::new("template"), errors);
    }

    fn warnings(&self) -> Vec<String> {
        warnings::of_template(self.template.as_ref(), &Path::new("template"))
    }

    fn spec_differs(&self, old: &Self) -> bool {
        self.template != old.template
    }
}

fn spec(template: &PodTemplate) -> Option<&PodSpec> {
    template.template.as_ref()?.spec.as_ref()
}
