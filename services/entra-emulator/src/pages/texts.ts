/**
 * Every text of the pages. Names come as HTML, escaped. What Entra ID itself would say is in requests/aadsts.json.
 */
export const texts = {
  brand: 'Emulator, not Microsoft',
  next: 'Next',
  continue: 'Continue',
  pickAccount: {
    title: 'Pick an account',
    says: (app: string) => `to continue to ${app}`,
    other: 'Another account',
  },
  approve: {
    title: 'Approve sign-in',
    says: (person: string, app: string) => `${person}, ${app} needs a stronger proof that this is you.`,
    contexts: (acrs: string) => `Authentication context: ${acrs}`,
    yes: 'Approve',
    no: 'Deny',
  },
  permissions: {
    title: 'Permissions requested',
    says: (person: string, app: string) => `${person}, ${app} would like to:`,
    yes: 'Accept',
    no: 'Cancel',
  },
  problem: {
    title: 'Sign-in error',
    correlation: 'Correlation ID',
    trace: 'Trace ID',
    timestamp: 'Timestamp',
  },
  enterCode: {
    title: 'Enter code',
    says: 'Enter the code that your device or program shows.',
    code: 'Code',
  },
  deviceDone: {
    title: 'Signed in',
    says: (app: string) => `You have signed in to ${app} on your device. You may close this window.`,
  },
  formPost: { title: 'Signing you in' },
  signedOut: {
    title: 'Signed out',
    says: 'You have signed out of your account.',
    frame: 'Signing out of an application',
  },
};
