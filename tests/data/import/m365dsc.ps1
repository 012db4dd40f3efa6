# Generated with Microsoft365DSC version 1.25.1015.1
# For additional information on how to use Microsoft365DSC, please visit https://aka.ms/M365DSC
param (
    [parameter()]
    [System.Management.Automation.PSCredential]
    $Credential
)

Configuration M365TenantConfig
{
    param (
        [parameter()]
        [System.Management.Automation.PSCredential]
        $Credential
    )

    if ($null -eq $Credential)
    {
        <# Credentials #>
        $Credscredential = Get-Credential -Message "Credentials"
    }
    else
    {
        $CredsCredential = $Credential
    }

    $OrganizationName = $CredsCredential.UserName.Split('@')[1]

    Import-DscResource -ModuleName 'Microsoft365DSC' -ModuleVersion '1.25.1015.1'

    Node localhost
    {
        PPPowerAppsEnvironment "PPPowerAppsEnvironment-Contoso (default)"
        {
            Credential           = $Credscredential;
            DisplayName          = "Contoso (default) # not a comment";
            Ensure               = "Present";
        }
        PPTenantIsolationSettings "PPTenantIsolationSettings"
        {
            Credential           = $Credscredential;
            Enabled              = $True;
            IsSingleInstance     = "Yes";
            Rules                = @(
                MSFT_PPTenantRule{
                    TenantName = '22222222-2222-4222-8222-222222222222'
                    Direction = 'Inbound'
                }
                MSFT_PPTenantRule{
                    TenantName = 'fabrikam.onmicrosoft.com'
                    Direction = 'Both'
                }
                MSFT_PPTenantRule{
                    TenantName = "*"
                    Direction = "Outbound"
                }
            );
        }
    }
}

M365TenantConfig -ConfigurationData .\ConfigurationData.psd1 -Credential $Credential
