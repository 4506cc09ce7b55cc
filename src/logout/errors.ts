/** Errors of logout deliveries. */
import { declareError } from '../errors.ts'

export const logoutDeliveryNotFound = declareError('logout_delivery_not_found', 404)
export const logoutDeliveryDone = declareError('logout_delivery_done', 409)
