//! `examples/tenant`, inside the binary, so that the demo works from anywhere.

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../../../../examples/tenant/", $path)))),+]
    };
}

/// Path below the folder, and content, in the order of paths. A test compares it with the folder.
pub(crate) const FILES: &[(&str, &str)] = files![
    "applications/2eb73728-2fea-475e-b536-5e1458294a90.json",
    "applications/2f314fdb-43c4-4bc7-a4cc-dcf9ea5ee53c.json",
    "applications/6800e67e-527f-4da6-96ec-4c60da8f3fe2.json",
    "applications/9280ba2e-1534-43fd-b357-71b237d047c9.json",
    "applications/98daa4bf-7559-4f89-b3fb-95ee22432045.json",
    "applications/ac3e0b5b-c291-4709-8c1e-26038dabf68e.json",
    "applications/bafe9bd1-20c5-4152-9127-c47089bf36a2.json",
    "applications/fe014372-9313-4adf-bba3-fec76ca387b5.json",
    "authenticationStrengths/00000000-0000-0000-0000-000000000002.json",
    "authenticationStrengths/00000000-0000-0000-0000-000000000003.json",
    "authenticationStrengths/00000000-0000-0000-0000-000000000004.json",
    "conditionalAccess/policies/13d38b63-47e3-4c09-b70c-349f6dcb6633.json",
    "conditionalAccess/policies/1e527ff9-160e-47a4-89f1-c7e23916e1df.json",
    "conditionalAccess/policies/521b55ad-a989-48e5-9645-f8997a98714f.json",
    "conditionalAccess/policies/90237de7-232a-49de-bed4-32292ed99a49.json",
    "conditionalAccess/policies/9e450909-a8d1-4dea-9ddf-c65e144b2080.json",
    "conditionalAccess/policies/a3d0f4b7-62c5-4e19-8f7b-5c21d9be4a06.json",
    "conditionalAccess/policies/c51ae08b-3727-4581-be57-821b6396e022.json",
    "groups/2330fcf1-562a-44b8-8866-8d77e827062c.json",
    "groups/78b7d0ac-8477-4ce0-8e4c-da11b43c589b.json",
    "groups/c1acc990-6424-450a-a36b-f9b3ddcb369d.json",
    "namedLocations/c498b6e7-3648-445e-9afa-3a387f006745.json",
    "roles/8df08078-a22e-4180-85c2-c2af3977a654.json",
    "roles/99356597-6fba-4662-b6a7-30b7b12e9eed.json",
    "roles/9ad9b9a2-5e78-454d-b065-a1c284cc4549.json",
    "roles/f3194a3b-381e-43e7-952c-466e473a1797.json",
    "tenant.json",
    "users/3a124c64-7e02-4f05-b7c1-dce27f7695f5.json",
    "users/6301bbfc-a0c5-454e-8ff9-bb510944fe0c.json",
    "users/66080f17-4c96-48e2-9cbd-0ba3a1a6bcde.json",
    "users/6fced11d-2bd8-41e6-847a-8387cdde8d51.json",
    "users/9dfb369b-ab13-4fae-a276-55daa05f1119.json",
    "users/b120a366-f0bb-49cf-82f2-dc05873f9bd0.json",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { files_below(&path, found) } else { found.push(path) }
        }
    }

    #[test]
    fn the_folder_is_inside_the_binary_whole_and_canonical() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tenant");
        let mut paths = Vec::new();
        files_below(&root, &mut paths);
        let mut on_disk: Vec<(String, String)> = paths
            .iter()
            .map(|path| (path.strip_prefix(&root).unwrap().display().to_string(), fs::read_to_string(path).unwrap()))
            .collect();
        on_disk.sort();
        let embedded: Vec<(String, String)> = FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
        assert_eq!(on_disk, embedded);
        for (path, text) in FILES {
            let object = model::Object::from_value(serde_json::from_str(text).unwrap()).unwrap();
            let canonical = serde_json::to_string_pretty(&object.to_value()).unwrap() + "\n";
            assert_eq!(&canonical, text, "{path}");
            assert!(*path == "tenant.json" || path.ends_with(&format!("/{}.json", object.id())), "{path}");
        }
    }
}
