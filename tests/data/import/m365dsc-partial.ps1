Configuration Partial
{
    Node localhost
    {
        PPTenantIsolationSettings 'Settings'
        {
            IsSingleInstance = 'Yes'
            Enabled = $ConfigurationData.Isolation.Enabled
            RulesToInclude = @(MSFT_PPTenantRule { TenantName = 'fabrikam.com'; Direction = 'Both' })
            Rules = @(
                MSFT_PPTenantRule { TenantName = "$OtherTenant"; Direction = 'Sideways' }
                MSFT_PPTenantRule { TenantName = 'Contoso Ltd'; Reason = 'none' }
            )
            Colour = 'blue'
        }
    }
}
