//! The groups of applications that a policy can name, by application id.
//!
//! Microsoft publishes the *names* in each group and the *ids* of its commonly used applications on different pages; a
//! row here is a name found on both. So the tables are sure but not complete, and every policy that names a group is
//! remarked on. Ids never change; names join and leave: the date is the version.

/// A named group of applications.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// As a policy writes it.
    pub(crate) name: &'static str,
    /// Date of the page that lists the members.
    pub(crate) version: &'static str,
    pub(crate) members: &'static [(&'static str, &'static str)],
}

/// <https://learn.microsoft.com/entra/identity/conditional-access/reference-office-365-application-contents>; ids:
/// <https://learn.microsoft.com/troubleshoot/entra/entra-id/governance/verify-first-party-apps-sign-in> (2024-03-08).
pub(crate) const OFFICE_365: Bundle = Bundle {
    name: "Office365",
    version: "2026-06-05",
    members: &[
        ("00000002-0000-0ff1-ce00-000000000000", "Office 365 Exchange Online"),
        ("00000003-0000-0ff1-ce00-000000000000", "Office 365 SharePoint Online"),
        ("00000004-0000-0ff1-ce00-000000000000", "Skype for Business Online"),
        ("00000005-0000-0ff1-ce00-000000000000", "Viva Engage"),
        ("00000006-0000-0ff1-ce00-000000000000", "Microsoft Office 365 Portal"),
        ("00000007-0000-0ff1-ce00-000000000000", "Microsoft Exchange Online Protection"),
        ("08e18876-6177-487e-b8b5-cf950c1e598c", "SharePoint Online Web Client Extensibility"),
        ("0cd196ee-71bf-4fd6-a57c-b491ffd4fb1e", "Media Analysis and Transformation Service"),
        ("0f698dd4-f011-4d23-a33e-b36416dcb1e6", "OfficeClientService"),
        ("1fec8e78-bce4-4aaf-ab1b-5451cc387264", "Microsoft Teams"),
        ("243c63a3-247d-41c5-9d83-7788c43f1c43", "Office Online Core SSO"),
        ("2d4d3d8e-2be3-4bef-9f87-7875a61c29de", "OneNote"),
        ("4345a7b9-9a63-4910-a426-35363201d503", "O365 Suite UX"),
        ("4765445b-32c6-49b0-83e6-1d93765276ca", "OfficeHome"),
        ("4b233688-031c-404b-9a80-a4f3f2351f90", "Office.com"),
        ("5e3ce6c0-2b1f-4285-8d4b-75ee78787346", "Microsoft Teams Web Client"),
        ("66a88757-258c-4c72-893c-3e8bed4d6899", "Office 365 Search Service"),
        ("89bee1f7-5e6e-4d8a-9f3d-ecd601259da7", "Office365 Shell WCSS-Client"),
        ("905fcf26-4eb7-48a0-9ff0-8dcc7194b5ba", "Sway"),
        ("93d53678-613d-4013-afc1-62e9e444a0a5", "Office Online Add-in SSO"),
        ("944f0bd1-117b-4b1c-af26-804ed95e767e", "Media Analysis and Transformation Service"),
        ("94c63fef-13a3-47bc-8074-75af8c65887a", "Office Delve"),
        ("95de633a-083e-42f5-b444-a4295d8e9314", "Microsoft Whiteboard Services"),
        ("ab9b8c07-8f02-4f72-87fa-80105867a763", "OneDrive SyncEngine"),
        ("c9a559d2-7aab-4f13-a6ed-e7e9c52aec87", "Microsoft Forms"),
        ("cc15fd57-2c6c-4117-a88c-83b1d56b4bbe", "Microsoft Teams Services"),
        ("cf53fce8-def6-4aeb-8d30-b158e7b1cf83", "Microsoft Stream Portal"),
        ("d3590ed6-52b3-4102-aeff-aad2292ab01c", "Microsoft Office"),
    ],
};

/// <https://learn.microsoft.com/entra/identity/conditional-access/concept-conditional-access-cloud-apps#microsoft-admin-portals>;
/// ids as above. The Entra admin center is part of the Azure portal's application; Defender and Purview of the
/// Security and Compliance Center's.
pub(crate) const MICROSOFT_ADMIN_PORTALS: Bundle = Bundle {
    name: "MicrosoftAdminPortals",
    version: "2026-01-26",
    members: &[
        ("00000006-0000-0ff1-ce00-000000000000", "Microsoft 365 admin center"),
        ("497effe9-df71-4043-a8bb-14cf78c4b63b", "Exchange admin center"),
        ("80ccca67-54bd-44ab-8625-4b79c4dc7775", "Microsoft 365 Security and Compliance Center"),
        ("c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "Azure portal"),
    ],
};

/// What a policy that *includes* this application covers besides it. An exclusion is taken at its word: the page speaks
/// of targeting only.
/// <https://learn.microsoft.com/entra/identity/conditional-access/concept-conditional-access-cloud-apps#windows-azure-service-management-api>
pub(crate) const AZURE_SERVICE_MANAGEMENT: Bundle = Bundle {
    name: "797f4846-ba00-4fd7-ba43-dac1f8f63013",
    version: "2026-01-26",
    members: &[
        ("797f4846-ba00-4fd7-ba43-dac1f8f63013", "Azure Resource Manager"),
        ("c44b4083-3bb0-49c1-b47d-974e53cbdf3c", "Azure portal"),
        ("ca7f3f0b-7d91-482c-8e09-c5d840d0eac5", "Log Analytics API"),
        ("e9f49c6b-5ce5-44c8-925d-015017e9f7ad", "Azure Data Lake"),
        ("f5c26e74-f226-4ae8-85f0-b4af0080ac9e", "Application Insights API"),
    ],
};
