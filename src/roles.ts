export { runRole, type RoleName } from './roles/run-role.js';
