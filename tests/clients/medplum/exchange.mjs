// Medplum's own client goes through an exchange: discovery, patient-view, order-sign, feedback.
// Usage: node exchange.mjs FHIR_ROOT CDS_ROOT PATIENT_ID; prints what it saw as one line of JSON.
import { MedplumClient, buildCdsRequest } from '@medplum/core';

const [fhirRoot, cdsRoot, patientId] = process.argv.slice(2);
const medplum = new MedplumClient({
  baseUrl: fhirRoot,
  fhirUrlPath: 'fhir',
  cdsServicesUrl: `${cdsRoot}/cds-services`,
  fetch,
});
const user = { resourceType: 'Practitioner', id: 'p1' };
const draft = {
  resourceType: 'MedicationRequest',
  id: 'draft',
  status: 'draft',
  intent: 'order',
  subject: { reference: `Patient/${patientId}` },
  medicationCodeableConcept: { coding: [{ system: 'http://www.nlm.nih.gov/research/umls/rxnorm', code: '321988' }] },
};
const contexts = {
  'patient-view': {},
  'order-sign': {
    draftOrders: { resourceType: 'Bundle', type: 'collection', entry: [{ resource: draft }] },
  },
};

const { services } = await medplum.getCdsServices();
const seen = { services: services.map((service) => service.id), exchanges: {} };
for (const [hook, more] of Object.entries(contexts)) {
  const service = services.find((each) => each.hook === hook);
  const context = { userId: 'Practitioner/p1', patientId, ...more };
  const request = await buildCdsRequest(medplum, user, service, context);
  const { cards } = await medplum.callCdsService(service.id, request);
  const feedback = cards.map((card) => ({
    card: card.uuid,
    outcome: 'overridden',
    overrideReason: { reason: card.overrideReasons[0] },
    outcomeTimestamp: new Date().toISOString(),
  }));
  const answer = cards.length
    ? await medplum.post(`${cdsRoot}/cds-services/${service.id}/feedback`, { feedback }, 'application/json')
    : undefined;
  seen.exchanges[hook] = {
    sent: Object.fromEntries(
      Object.entries(request.prefetch ?? {}).map(([key, value]) => [key, value === null ? 'null' : value.resourceType])
    ),
    cards: cards.map((card) => card.summary),
    feedback: answer ?? 'none',
  };
}
console.log(JSON.stringify(seen));
process.exit(0); // the client keeps a timer
